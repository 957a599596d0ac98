#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/utf8.h"
#include "config/yaml.h"

namespace cloob {
namespace {

// Settings are nested three levels deep; yaml-cpp itself recurses once for each level.
constexpr std::size_t kMaxDepth = 32;

// yaml-cpp describes errors in terms of its grammar; users want to know what to change.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kExplanations = {{
    {"illegal map value", "unexpected ':': check the indentation, or quote text that contains ': '"},
    {"end of map not found", "this line does not belong to the settings above it: check the indentation"},
    {"end of sequence flow not found", "a list is not closed with ']'"},
    {"end of map flow not found", "a '{' is not closed with '}'"},
    {"illegal flow end", "unmatched ']' or '}'"},
    {"unknown token", "a value cannot begin with this character: quote the text"},
    {"the referenced anchor is not defined",
     "aliases (*name) are not supported: write the value out, or quote the text"},
    {"illegal tab when looking for indentation", "indented with a tab: use spaces"},
}};

std::string_view line_at(std::string_view text, int line) {
  for (; line > 0; --line) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  return text.substr(0, text.find('\n'));
}

// Builds nodes from the events of yaml-cpp's parser. YAML::Node is not used because it silently keeps the
// last of duplicate keys and resolves aliases, after which a value's location is no longer known.
class NodeBuilder final : public YAML::EventHandler {
 public:
  NodeBuilder(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  ConfigNode take() { return std::move(root_); }
  std::string location(const YAML::Mark& mark) const {
    return fmt::format("{}:{}:{}", name_, mark.line + 1, mark.column + 1);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (num_documents_++ > 0) {
      throw_user_error("{}: a second document begins here, only one is allowed", location(mark));
    }
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    reject_anchors_and_tags(mark, "?", anchor);
    add(make_node(ConfigNode::Kind::null, mark));
  }
  // Never called: the anchor that an alias needs is rejected before.
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    reject_anchors_and_tags(mark, tag, anchor);
    ConfigNode node = make_node(ConfigNode::Kind::scalar, mark);
    node.text = value;
    node.quoted = tag == "!";
    check_quotes_are_closed(mark);
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    reject_anchors_and_tags(mark, tag, anchor);
    open(ConfigNode::Kind::list, mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    reject_anchors_and_tags(mark, tag, anchor);
    open(ConfigNode::Kind::map, mark);
    keys_.emplace_back();
  }
  void OnMapEnd() override {
    keys_.pop_back();
    close();
  }

 private:
  // The keys of a map under construction; the last one may have no value yet.
  struct Keys {
    bool waiting = false;
    std::string text;
    std::string origin;
    std::unordered_map<std::string, std::string> origins;  // of all keys of the map
  };

  ConfigNode make_node(ConfigNode::Kind kind, const YAML::Mark& mark) const {
    ConfigNode node;
    node.kind = kind;
    node.origin = location(mark);
    return node;
  }

  void reject_anchors_and_tags(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    if (anchor != YAML::NullAnchor) {
      throw_user_error("{}: anchors (&name) are not supported, write the value out where it is needed",
                       location(mark));
    }
    const bool explicit_tag = character_at(mark) == '!';
    if (explicit_tag || (tag != "?" && tag != "!" && !tag.empty())) {
      throw_user_error("{}: tags (!name) are not supported; quote text that looks like a number",
                       location(mark));
    }
  }

  // yaml-cpp accepts the end of the file in place of a missing closing quote.
  void check_quotes_are_closed(const YAML::Mark& mark) const {
    const char quote = character_at(mark);
    if (quote != '"' && quote != '\'') return;
    for (auto i = static_cast<std::size_t>(mark.pos) + 1; i < text_.size(); ++i) {
      const bool doubled = quote == '\'' && text_.substr(i).starts_with("''");
      const bool escape = quote == '"' && text_[i] == '\\';
      if (doubled || escape) {
        ++i;
      } else if (text_[i] == quote) {
        return;
      }
    }
    throw_user_error("{}: the text that begins here is not closed with {}", location(mark), quote);
  }

  char character_at(const YAML::Mark& mark) const {
    const auto position = static_cast<std::size_t>(mark.pos);
    return position < text_.size() ? text_[position] : '\0';
  }

  void open(ConfigNode::Kind kind, const YAML::Mark& mark) {
    if (open_.size() == kMaxDepth) {
      throw_user_error("{}: lists or sections are nested more than {} levels deep", location(mark),
                       kMaxDepth);
    }
    open_.push_back(make_node(kind, mark));
  }

  void close() {
    ConfigNode node = std::move(open_.back());
    open_.pop_back();
    add(std::move(node));
  }

  void add(ConfigNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (open_.back().kind == ConfigNode::Kind::list) {
      open_.back().children.push_back(std::move(node));
    } else if (!keys_.back().waiting) {
      begin_entry(node);
    } else {
      node.key = std::move(keys_.back().text);
      node.key_origin = std::move(keys_.back().origin);
      // The mark of a missing value points at the next token of the file.
      if (node.kind == ConfigNode::Kind::null) node.origin = node.key_origin;
      keys_.back().waiting = false;
      open_.back().children.push_back(std::move(node));
    }
  }

  void begin_entry(const ConfigNode& key) {
    if (key.kind != ConfigNode::Kind::scalar || key.text.empty()) {
      throw_user_error("{}: the name of a setting must be a word", key.origin);
    }
    Keys& keys = keys_.back();
    if (const auto [first, is_new] = keys.origins.emplace(key.text, key.origin); !is_new)
      throw_user_error("{}: '{}' is set twice, first at {}", key.origin, key.text, first->second);
    keys.waiting = true;
    keys.text = key.text;
    keys.origin = key.origin;
  }

  std::string_view text_;
  const std::string& name_;
  ConfigNode root_;
  std::vector<ConfigNode> open_;
  std::vector<Keys> keys_;
  int num_documents_ = 0;
};

// yaml-cpp silently replaces bytes that are not UTF-8, and stops reading at some control characters.
void check_characters(std::string_view text, const std::string& name) {
  const std::size_t valid = valid_utf8_length(text);
  const auto bad = std::find_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(valid), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
  });
  const auto position = static_cast<std::size_t>(bad - text.begin());
  if (position == text.size()) return;
  const std::string_view before = text.substr(0, position);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t column = position - (before.rfind('\n') + 1) + 1;
  throw_user_error("{}:{}:{}: {}", name, line, column,
                   position == valid ? "the file is not valid UTF-8 here, save it as UTF-8"
                                     : "a control character, which YAML does not allow");
}

std::string explain(const YAML::ParserException& error, std::string_view text) {
  const std::string_view line = line_at(text, error.mark.line);
  if (line.substr(0, line.find_first_not_of(" \t")).find('\t') != std::string_view::npos) {
    return "indented with a tab: use spaces";
  }
  for (const auto& [message, explanation] : kExplanations) {
    if (error.msg == message) return std::string(explanation);
  }
  return error.msg;
}

}  // namespace

ConfigNode parse_yaml(std::string_view text, const std::string& name) {
  text = without_byte_order_mark(text);
  check_characters(text, name);
  NodeBuilder builder(text, name);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::ParserException& error) {
    throw_user_error("{}: {}", builder.location(error.mark), explain(error, text));
  }
  return builder.take();
}

}  // namespace cloob
