#include "cloob/ablation/sweep_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/report/metric_names.h"

namespace cloob {
namespace {

using Kind = ConfigNode::Kind;

constexpr std::array kFreeParts = {"settings", "axes", "exclude"};
constexpr std::array kFreePartsOfSearch = {"settings", "variants", "trial_settings"};
// Set by the plan for every run.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kOfThePlan = {
    {{"train.seed", "seeds"}, {"train.threads", "threads"}}};
// Columns of results.csv.
constexpr std::array<std::string_view, 7> kColumns = {"run",    "kind",  "seed",     "trial",
                                                      "status", "steps", "samples_s"};

const ConfigNode* child_of(const ConfigNode& map, std::string_view key) {
  const auto found = std::ranges::find(map.children, key, &ConfigNode::key);
  return found == map.children.end() ? nullptr : &*found;
}

// Removes the child; a null one, if it is missing.
ConfigNode take(ConfigNode& map, std::string_view key) {
  const auto found = std::ranges::find(map.children, key, &ConfigNode::key);
  if (found == map.children.end()) return {};
  ConfigNode child = std::move(*found);
  map.children.erase(found);
  return child;
}

template <Section T>
std::vector<std::string> names_with(std::span<const char* const> more) {
  std::vector<std::string> names;
  std::apply([&](const auto&... fields) { (names.emplace_back(fields.name), ...); }, T::fields());
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

void require_keys(const ConfigNode& map, const std::string& where, const std::vector<std::string>& known) {
  for (const ConfigNode& child : map.children) {
    if (std::ranges::find(known, child.key) != known.end()) continue;
    const std::string hint = suggestion(child.key, known);
    throw_user_error("{}: unknown key '{}'{}{}", child.key_origin, child.key, where,
                     hint.empty() ? ", must be one of " + join(known, ", ") : hint);
  }
}

void require_map(const ConfigNode& node, std::string_view what, std::string_view content) {
  if (node.kind != Kind::map && node.kind != Kind::null)
    throw_user_error("{}: {} must be {}", node.origin, what, content);
}

// Names become parts of the names of folders, and columns of a table, in which a sign would begin a formula.
void require_safe(const std::string& name, const std::string& origin, std::string_view what) {
  constexpr std::size_t kMaxLength = 64;
  constexpr std::string_view kOthers = "._+-";
  const bool is_safe = !name.empty() && name.size() <= kMaxLength &&
                       std::string_view(".+-").find(name.front()) == std::string_view::npos &&
                       std::ranges::all_of(name, [&](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                kOthers.find(c) != kOthers.npos;
                       });
  if (is_safe) return;
  throw_user_error(
      "{}: '{}' cannot be {}, which becomes part of the name of a folder: use up to {} letters, digits and . _ + -, of which "
      "the first is a letter, a digit or _",
      origin, name, what, kMaxLength);
}

SweepSettings settings_of(const ConfigNode& node, std::string_view what) {
  require_map(node, what, "settings ('name: value')");
  SweepSettings settings = flatten(node);
  for (const NamedNode& setting : settings) {
    for (const auto& [name, instead] : kOfThePlan) {
      if (setting.name == name)
        throw_user_error("{}: {} cannot be set here, it is set for all runs by '{}' of the sweep",
                         setting.value.key_origin, name, instead);
    }
  }
  return settings;
}

Axis grid_axis(const ConfigNode& node, const std::string& setting) {
  require_keys(node, fmt::format(" in axes.{}", node.key), {"setting", "values"});
  const ConfigNode* const values = child_of(node, "values");
  if (values == nullptr || values->kind != Kind::list || values->children.empty())
    throw_user_error("{}: axes.{} must have a list of 'values' of {}", node.key_origin, node.key, setting);
  Axis axis{.name = node.key, .values = {}};
  for (const ConfigNode& value : values->children) {
    if (value.kind != Kind::scalar)
      throw_user_error(
          "{}: a value of axes.{} is not a number or a word: give it a name, as 'NAME: {{{}: ...}}'",
          value.origin, node.key, setting);
    require_safe(value.text, value.origin, "a value of an axis");
    ConfigNode named = value;
    named.key_origin = value.origin;
    if (std::ranges::find(axis.values, value.text, &AxisValue::name) != axis.values.end())
      throw_user_error("{}: the value {} of axes.{} is there twice", value.origin, value.text, node.key);
    ConfigNode map;
    map.kind = Kind::map;
    named.key = setting;
    map.children.push_back(std::move(named));
    axis.values.push_back({value.text, settings_of(map, "")});
  }
  return axis;
}

Axis named_axis(const ConfigNode& node) {
  Axis axis{.name = node.key, .values = {}};
  for (const ConfigNode& variant : node.children) {
    require_safe(variant.key, variant.key_origin, "a variant");
    axis.values.push_back(
        {variant.key, settings_of(variant, fmt::format("axes.{}.{}", node.key, variant.key))});
  }
  return axis;
}

Axis read_axis(const ConfigNode& node) {
  require_safe(node.key, node.key_origin, "an axis");
  if (std::ranges::find(kColumns, node.key) != kColumns.end())
    throw_user_error("{}: an axis cannot be called '{}', which is a column of results.csv", node.key_origin,
                     node.key);
  if (node.kind != Kind::map || node.children.empty()) {
    throw_user_error(
        "{}: axes.{} must have variants, 'NAME: {{SETTING: VALUE}}', or a grid, 'setting: NAME' and 'values: [...]'",
        node.origin, node.key);
  }
  const ConfigNode* const setting = child_of(node, "setting");
  const bool is_grid = setting != nullptr && setting->kind == Kind::scalar;
  return is_grid ? grid_axis(node, setting->text) : named_axis(node);
}

std::vector<Axis> read_axes(const ConfigNode& node) {
  require_map(node, "axes", "a section with a name for each axis");
  std::vector<Axis> axes;
  for (const ConfigNode& child : node.children) axes.push_back(read_axis(child));
  return axes;
}

const Axis& axis_of(const std::vector<Axis>& axes, const std::string& name, const std::string& origin) {
  const auto found = std::ranges::find(axes, name, &Axis::name);
  if (found != axes.end()) return *found;
  std::vector<std::string> names;
  for (const Axis& axis : axes) names.push_back(axis.name);
  throw_user_error("{}: there is no axis '{}'{}", origin, name, suggestion(name, names));
}

void require_value(const Axis& axis, const std::string& value, const std::string& origin) {
  std::vector<std::string> names;
  for (const AxisValue& known : axis.values) names.push_back(known.name);
  if (std::ranges::find(names, value) == names.end())
    throw_user_error("{}: axis '{}' has no '{}', it has {}", origin, axis.name, value, join(names, ", "));
}

std::vector<Exclusion> read_exclusions(const ConfigNode& node, const std::vector<Axis>& axes) {
  if (node.kind == Kind::null) return {};
  if (node.kind != Kind::list)
    throw_user_error("{}: exclude must be a list of combinations, each as '{{AXIS: VALUE}}'", node.origin);
  std::vector<Exclusion> exclusions;
  for (const ConfigNode& entry : node.children) {
    if (entry.kind != Kind::map || entry.children.empty())
      throw_user_error("{}: an entry of exclude must be as '{{AXIS: VALUE}}'", entry.origin);
    Exclusion exclusion{.origin = entry.origin, .values = {}};
    for (const ConfigNode& child : entry.children) {
      const Axis& axis = axis_of(axes, child.key, child.key_origin);
      std::vector<std::string> values;
      const std::vector<ConfigNode> one = {child};
      for (const ConfigNode& value : child.kind == Kind::list ? child.children : one) {
        require_value(axis, value.text, value.origin);
        values.push_back(value.text);
      }
      exclusion.values.emplace_back(axis.name, std::move(values));
    }
    exclusions.push_back(std::move(exclusion));
  }
  return exclusions;
}

std::vector<Candidates> read_candidates(const ConfigNode& node, const std::string& what) {
  std::vector<Candidates> all;
  for (const NamedNode& setting : settings_of(node, what)) {
    if (setting.value.kind != Kind::list || setting.value.children.empty())
      throw_user_error("{}: {} must be a list of the values to try", setting.value.origin, setting.name);
    std::set<std::string> texts;
    for (const ConfigNode& value : setting.value.children) {
      if (!texts.insert(node_text(value)).second)
        throw_user_error("{}: {} is to be tried twice with {}", value.origin, setting.name, node_text(value));
    }
    Candidates candidates{.setting = setting.name, .values = setting.value.children};
    for (ConfigNode& value : candidates.values) value.key_origin = value.origin;
    all.push_back(std::move(candidates));
  }
  return all;
}

// "CLOOB" if one axis alone has it, or "objective=CLOOB".
std::pair<std::string, std::string> variant_named(const std::string& text, const std::vector<Axis>& axes,
                                                  const std::string& origin) {
  if (const std::size_t equals = text.find('='); equals != std::string::npos) {
    const Axis& axis = axis_of(axes, text.substr(0, equals), origin);
    const std::string value = text.substr(equals + 1);
    require_value(axis, value, origin);
    return {axis.name, value};
  }
  std::vector<std::string> with_it, names;
  for (const Axis& axis : axes) {
    for (const AxisValue& value : axis.values) {
      names.push_back(value.name);
      if (value.name == text) with_it.push_back(axis.name);
    }
  }
  if (with_it.empty())
    throw_user_error("{}: no axis has the variant '{}'{}", origin, text, suggestion(text, names));
  if (with_it.size() > 1)
    throw_user_error("{}: the axes {} have a '{}': write '{}={}'", origin, join(with_it, " and "), text,
                     with_it.front(), text);
  return {with_it.front(), text};
}

Search read_search(ConfigNode& node, const std::vector<Axis>& axes) {
  Search search;
  search.candidates = read_candidates(take(node, "settings"), "search.settings");
  const ConfigNode variants = take(node, "variants");
  require_map(variants, "search.variants", "a section with the name of a variant for each");
  for (const ConfigNode& child : variants.children) {
    const auto [axis, value] = variant_named(child.key, axes, child.key_origin);
    search.variants.push_back({axis, value, read_candidates(child, "search.variants." + child.key)});
  }
  search.trial_settings = settings_of(take(node, "trial_settings"), "search.trial_settings");
  if (search.candidates.empty() && search.variants.empty())
    throw_user_error("{}: search has nothing to search: give lists of values in search.settings",
                     node.key_origin);
  return search;
}

void require_distinct_seeds(const std::vector<std::int64_t>& seeds, const std::string& origin) {
  if (seeds.empty()) throw_user_error("{}: seeds is empty, give at least one", origin);
  std::set<std::int64_t> known;
  for (const std::int64_t seed : seeds) {
    if (!known.insert(seed).second) throw_user_error("{}: the seed {} is there twice", origin, seed);
  }
}

// A loss that is maximized would choose the worst trial.
void set_direction(SearchConfig& search, const std::string& origin) {
  const Better better = metric_name(search.metric).better;
  if (better == Better::neither) return;
  const Direction known = better == Better::higher ? Direction::max : Direction::min;
  if (search.direction.value_or(known) != known)
    throw_user_error("{}: search.direction is {}, but of {} the {} value is the better one: leave it out",
                     origin, enum_name(*search.direction), search.metric,
                     better == Better::higher ? "larger" : "smaller");
  search.direction = known;
}

void require_other_seed(const SweepConfig& config, const std::string& origin) {
  if (config.search.seed && std::ranges::find(config.seeds, *config.search.seed) != config.seeds.end())
    throw_user_error(
        "{}: search.seed is {}, which is one of seeds: a final run would be one that was chosen; take another",
        origin, *config.search.seed);
}

}  // namespace

Sweep read_sweep(const std::filesystem::path& file) {
  ConfigNode root = read_settings_tree(file);
  require_keys(root, " of a sweep", names_with<SweepConfig>(kFreeParts));
  Sweep sweep{
      .file = file, .base = {}, .config = {}, .settings = {}, .axes = {}, .exclusions = {}, .search = {}};
  sweep.settings = settings_of(take(root, "settings"), "settings");
  sweep.axes = read_axes(take(root, "axes"));
  sweep.exclusions = read_exclusions(take(root, "exclude"), sweep.axes);
  const auto search = std::ranges::find(root.children, "search", &ConfigNode::key);
  if (search != root.children.end() && search->kind != Kind::null) {
    require_map(*search, "search", "a section of settings");
    require_keys(*search, " of search", names_with<SearchConfig>(kFreePartsOfSearch));
    sweep.search = read_search(*search, sweep.axes);
  }
  Origins origins;
  sweep.config = read_config<SweepConfig>({root}, origins);
  const auto origin_of = [&](const char* name) {
    return origins.contains(name) ? origins[name] : file.string();
  };
  if (sweep.config.base.empty())
    throw_user_error("{}: base is not set: name the recipe of the runs", file.string());
  sweep.base = (file.parent_path() / sweep.config.base).lexically_normal();
  if (sweep.config.name.empty()) sweep.config.name = file.stem().string();
  require_safe(sweep.config.name, origin_of("name"), "the name of a sweep");
  require_distinct_seeds(sweep.config.seeds, origin_of("seeds"));
  if (sweep.search && sweep.config.search.metric.empty())
    throw_user_error("{}: search.metric is not set: name the metric by which the best trial is chosen",
                     file.string());
  if (sweep.search) {
    set_direction(sweep.config.search, origin_of("search.direction"));
    require_other_seed(sweep.config, origin_of("search.seed"));
  }
  return sweep;
}

}  // namespace cloob
