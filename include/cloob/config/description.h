// A type-erased declaration (field.h), so that reading, printing and documenting are compiled once and not
// for every struct. The templates here only fill constant tables.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/config/field.h"

namespace cloob {

/// One number, string or boolean; an enum is stored as its name.
using Scalar = std::variant<bool, std::int64_t, double, std::string>;
/// The value of a setting: one element, for an optional zero or one, for a list any number.
using Values = std::vector<Scalar>;

enum class ScalarKind { boolean, integer, number, text, choice };
enum class Shape { single, optional, list };

/// Properties shared by all members of one C++ type.
struct MemberType {
  ScalarKind kind;
  Shape shape;
  std::span<const std::string_view> choices;  // of a choice
  Values (*read)(const void* member);
  void (*write)(void* member, const Values& values);
};

struct SectionType;

/// A std::map from user-chosen names to sections of one type.
struct SectionMapType {
  const SectionType* element;
  /// The section of this name, which is added if missing.
  void* (*find)(void* map, const std::string& name);
  std::vector<std::string> (*names)(const void* map);
};

/// A field; exactly one of `type`, `section` and `map` is set.
struct FieldEntry {
  std::string_view name;
  std::string_view doc;
  Range range;
  void* (*locate)(void* owner);  // the member within the struct that owns it
  const MemberType* type;
  const SectionType* section;
  const SectionMapType* map;
};

/// A setting that has this value if another one is set explicitly and it is not itself.
struct ImpliedSetting {
  std::string_view by;  ///< dotted name of the other setting
  std::string name;     ///< dotted name
  Scalar value;
};

/// What other programs call a setting, in snake_case; messages about unknown settings suggest ours.
struct OtherName {
  std::string_view name;
  std::string_view setting;  ///< dotted name
};

/// A setting that earlier versions had. Files that contain it are still read; its value is ignored, with a warning.
struct RetiredSetting {
  std::string_view name;    ///< dotted name
  std::string_view reason;  ///< and what to use instead
};

struct SectionType {
  std::span<const FieldEntry> fields;
  void (*validate)(const void* section);  // null: no constraints between its settings
  // All only for the root; null or empty if it declares none.
  std::vector<ImpliedSetting> (*implied)(const void* root) = nullptr;
  void (*complete)(void* root) = nullptr;
  std::span<const OtherName> other_names;
  std::span<const RetiredSetting> retired;
};

/// One step from a struct to a member, or from a map of sections to one of them.
struct PathStep {
  void* (*locate)(void* owner) = nullptr;
  const SectionMapType* map = nullptr;
  std::string name;  ///< its part of a dotted name
};
/// The path from the described struct down to a member.
using Path = std::vector<PathStep>;

/// Placeholder for any name in a map of sections, for descriptions without values.
inline constexpr const char* kAnyName = "NAME";

struct SettingInfo {
  std::string name;  // dotted, from the root: "optimizer.lr"
  std::string doc;
  ScalarKind kind;
  Shape shape;
  Range range;
  std::vector<std::string> choices;
  Path path;
  const MemberType* type;

  /// `root` is the described struct, not the section that owns the member.
  Values get(const void* root) const;
  void set(void* root, const Values& values) const;
};

struct SectionInfo {
  std::string name;  // dotted; empty for the root
  std::string doc;
  Path path;
  const SectionType* type;

  /// Checks the constraints between its settings; `root` as in SettingInfo. Throws UserError.
  void validate(const void* root) const;
};

/// All of a struct's settings and sections, in declared order.
struct Description {
  std::vector<SectionInfo> sections;
  std::vector<SettingInfo> settings;

  /// Null when there is no such setting.
  const SettingInfo* find_setting(std::string_view name) const;
  bool has_section(std::string_view name) const;
  /// Names (without the section's prefix) of the direct children of a section, settings and sections, in
  /// declared order.
  std::vector<std::string> members_of(std::string_view section) const;
};

/// "a" and "b" -> "a.b"; in the root just "b".
std::string dotted_name(std::string_view section, std::string_view member);

/// Returns the names in the map of sections at `path`.
using NamesInMap = std::function<std::vector<std::string>(const Path& path, const SectionMapType& map)>;

/// Without `names`, maps of sections have one section, called kAnyName.
Description describe(const SectionType& root, const NamesInMap& names = {});
/// With the sections that the maps of `value`, a struct of the described type, currently have.
Description describe_value(const Description& description, const void* value);

namespace detail {

template <class Member>
struct MemberTraits {
  using Element = Member;
  static constexpr Shape kShape = Shape::single;
};
template <class T>
struct MemberTraits<std::optional<T>> {
  using Element = T;
  static constexpr Shape kShape = Shape::optional;
};
template <class T>
struct MemberTraits<std::vector<T>> {
  using Element = T;
  static constexpr Shape kShape = Shape::list;
};

template <class Member>
inline constexpr bool kIsSectionMap = false;
template <Section T>
inline constexpr bool kIsSectionMap<std::map<std::string, T>> = true;

template <class Element>
constexpr ScalarKind scalar_kind() {
  if constexpr (std::is_same_v<Element, bool>) {
    return ScalarKind::boolean;
  } else if constexpr (std::is_same_v<Element, std::int64_t>) {
    return ScalarKind::integer;
  } else if constexpr (std::is_same_v<Element, double>) {
    return ScalarKind::number;
  } else if constexpr (std::is_same_v<Element, std::string>) {
    return ScalarKind::text;
  } else {
    static_assert(
        NamedEnum<Element>,
        "a setting is a bool, int64_t, double, string, an enum with EnumNames, an optional or vector of one "
        "of those, or a section");
    return ScalarKind::choice;
  }
}

template <NamedEnum E>
inline constexpr auto kChoices = [] {
  std::array<std::string_view, std::size(EnumNames<E>::names)> words;
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = EnumNames<E>::names[i].first;
  return words;
}();

template <class Element>
constexpr std::span<const std::string_view> choices() {
  if constexpr (NamedEnum<Element>) {
    return kChoices<Element>;
  } else {
    return {};
  }
}

template <class Element>
Scalar to_scalar(const Element& element) {
  if constexpr (NamedEnum<Element>) {
    return std::string(enum_name(element));
  } else {
    return element;
  }
}

template <class Element>
Element from_scalar(const Scalar& scalar) {
  if constexpr (NamedEnum<Element>) {
    for (const auto& [name, value] : EnumNames<Element>::names) {
      if (name == std::get<std::string>(scalar)) return value;
    }
    CLOOB_CHECK(false, "'{}' is not a name of the enum", std::get<std::string>(scalar));
    return Element{};
  } else {
    return std::get<Element>(scalar);
  }
}

template <class Member>
Values read_member(const void* address) {
  using Traits = MemberTraits<Member>;
  const auto& member = *static_cast<const Member*>(address);
  Values values;
  if constexpr (Traits::kShape == Shape::single) {
    values.push_back(to_scalar(member));
  } else if constexpr (Traits::kShape == Shape::optional) {
    if (member) values.push_back(to_scalar(*member));
  } else {
    for (const typename Traits::Element& element : member) values.push_back(to_scalar(element));
  }
  return values;
}

template <class Member>
void write_member(void* address, const Values& values) {
  using Traits = MemberTraits<Member>;
  using Element = typename Traits::Element;
  auto& member = *static_cast<Member*>(address);
  if constexpr (Traits::kShape == Shape::single) {
    member = from_scalar<Element>(values.at(0));
  } else if constexpr (Traits::kShape == Shape::optional) {
    member = values.empty() ? Member() : Member(from_scalar<Element>(values[0]));
  } else {
    member.clear();
    for (const Scalar& value : values) member.push_back(from_scalar<Element>(value));
  }
}

template <class Member>
inline constexpr MemberType kMemberType = {.kind = scalar_kind<typename MemberTraits<Member>::Element>(),
                                           .shape = MemberTraits<Member>::kShape,
                                           .choices = choices<typename MemberTraits<Member>::Element>(),
                                           .read = read_member<Member>,
                                           .write = write_member<Member>};

template <Section T, std::size_t I>
void* locate_member(void* owner) {
  constexpr auto member = std::get<I>(T::fields()).member;
  return &(static_cast<T*>(owner)->*member);
}

template <Section T>
struct SectionTable;

template <Section T>
void* find_section(void* map, const std::string& name) {
  return &(*static_cast<std::map<std::string, T>*>(map))[name];
}

template <Section T>
std::vector<std::string> names_in_map(const void* map) {
  std::vector<std::string> names;
  for (const auto& [name, section] : *static_cast<const std::map<std::string, T>*>(map))
    names.push_back(name);
  return names;
}

template <Section T>
inline constexpr SectionMapType kSectionMapType = {&SectionTable<T>::kType, find_section<T>, names_in_map<T>};

template <Section T, std::size_t I>
constexpr FieldEntry field_entry() {
  constexpr auto field = std::get<I>(T::fields());
  using Member = typename decltype(field)::Type;
  FieldEntry entry{field.name, field.doc, field.range, locate_member<T, I>, nullptr, nullptr, nullptr};
  if constexpr (Section<Member>) {
    entry.section = &SectionTable<Member>::kType;
  } else if constexpr (kIsSectionMap<Member>) {
    entry.map = &kSectionMapType<typename Member::mapped_type>;
  } else {
    entry.type = &kMemberType<Member>;
  }
  return entry;
}

template <Section T>
constexpr auto field_entries() {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<FieldEntry, sizeof...(I)>{field_entry<T, I>()...};
  }
  (std::make_index_sequence<std::tuple_size_v<decltype(T::fields())>>{});
}

template <Section T>
constexpr auto validator() {
  void (*validate)(const void*) = nullptr;
  if constexpr (requires(const T& section) { section.validate(); }) {
    validate = [](const void* section) { static_cast<const T*>(section)->validate(); };
  }
  return validate;
}

template <Section T>
constexpr auto implier() {
  std::vector<ImpliedSetting> (*implied)(const void*) = nullptr;
  if constexpr (requires(const T& section) { section.implied_settings(); })
    implied = [](const void* section) { return static_cast<const T*>(section)->implied_settings(); };
  return implied;
}

template <Section T>
constexpr auto completer() {
  void (*complete)(void*) = nullptr;
  if constexpr (requires(T & section) { section.complete(); })
    complete = [](void* section) { static_cast<T*>(section)->complete(); };
  return complete;
}

template <Section T>
constexpr std::span<const OtherName> other_names() {
  if constexpr (requires { T::kOtherNames; }) return T::kOtherNames;
  return {};
}

template <Section T>
constexpr std::span<const RetiredSetting> retired_settings() {
  if constexpr (requires { T::kRetiredSettings; }) return T::kRetiredSettings;
  return {};
}

template <Section T>
struct SectionTable {
  static constexpr auto kFields = field_entries<T>();
  static constexpr SectionType kType = {kFields,        validator<T>(),   implier<T>(),
                                        completer<T>(), other_names<T>(), retired_settings<T>()};
};

}  // namespace detail

/// The description of a struct, built once. Thread-safe.
template <Section T>
const Description& description_of() {
  static const Description description = describe(detail::SectionTable<T>::kType);
  return description;
}

}  // namespace cloob
