// A declaration (field.h) with the C++ types taken out, so that reading, printing and documenting are
// compiled once and not for every struct.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/config/field.h"

namespace cloob {

/// One number, word or truth value; an enum is its name.
using Scalar = std::variant<bool, std::int64_t, double, std::string>;
/// What a setting holds: one element, for an optional none or one, for a list any number.
using Values = std::vector<Scalar>;

enum class ScalarKind { boolean, integer, number, text, choice };
enum class Shape { single, optional, list };

struct SettingInfo {
  std::string name;  // dotted, from the root: "optimizer.lr"
  std::string doc;
  ScalarKind kind;
  Shape shape;
  Range range;
  std::vector<std::string> choices;  // of a choice
  /// `root` is the struct that was described, not the section that owns the member.
  std::function<Values(const void* root)> get;
  std::function<void(void* root, const Values& values)> set;
};

struct SectionInfo {
  std::string name;  // dotted; empty for the root
  std::string doc;
};

/// All of a struct's settings and sections, in declared order.
struct Description {
  std::vector<SectionInfo> sections;
  std::vector<SettingInfo> settings;
  /// The sections' `validate`, inner sections before the ones that hold them.
  std::vector<std::function<void(const void* root)>> validators;

  /// Nothing when there is no such setting.
  const SettingInfo* find_setting(std::string_view name) const;
  bool has_section(std::string_view name) const;
  /// Names (without the section's) of the settings and sections right below a section, in declared order.
  std::vector<std::string> members_of(std::string_view section) const;
};

/// "a" and "b" -> "a.b"; below the root just "b".
std::string dotted_name(std::string_view section, std::string_view member);

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
        "a setting is a bool, int64_t, double, string, an enum with EnumNames, an optional or vector of "
        "one of those, or a section");
    return ScalarKind::choice;
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
Values to_values(const Member& member) {
  using Traits = MemberTraits<Member>;
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
Member from_values(const Values& values) {
  using Traits = MemberTraits<Member>;
  using Element = typename Traits::Element;
  if constexpr (Traits::kShape == Shape::single) {
    return from_scalar<Element>(values.at(0));
  } else if constexpr (Traits::kShape == Shape::optional) {
    return values.empty() ? Member() : Member(from_scalar<Element>(values.at(0)));
  } else {
    Member member;
    for (const Scalar& value : values) member.push_back(from_scalar<Element>(value));
    return member;
  }
}

// `locate` leads from the root to the owner of the members: locate(root) -> T&, const when the root is.
template <class Root, Section T, class Locate>
void describe_section(const std::string& name, std::string_view doc, Locate locate, Description& description);

template <class Root, class Owner, class Member, class Locate>
void describe_member(const std::string& section, const Field<Owner, Member>& field, Locate locate,
                     Description& description) {
  const auto locate_member = [ locate, member = field.member ](auto& root) -> auto& {
    return locate(root).*member;
  };
  const std::string name = dotted_name(section, field.name);
  if constexpr (Section<Member>) {
    describe_section<Root, Member>(name, field.doc, locate_member, description);
  } else {
    using Element = typename MemberTraits<Member>::Element;
    SettingInfo setting{
        .name = name,
        .doc = std::string(field.doc),
        .kind = scalar_kind<Element>(),
        .shape = MemberTraits<Member>::kShape,
        .range = field.range,
        .choices = {},
        .get = [locate_member](
                   const void* root) { return to_values(locate_member(*static_cast<const Root*>(root))); },
        .set =
            [locate_member](void* root, const Values& values) {
              locate_member(*static_cast<Root*>(root)) = from_values<Member>(values);
            }};
    if constexpr (NamedEnum<Element>) {
      for (const auto& entry : EnumNames<Element>::names) setting.choices.emplace_back(entry.first);
    }
    description.settings.push_back(std::move(setting));
  }
}

template <class Root, Section T, class Locate>
void describe_section(const std::string& name, std::string_view doc, Locate locate,
                      Description& description) {
  description.sections.push_back({name, std::string(doc)});
  std::apply([&](const auto&... field) { (describe_member<Root>(name, field, locate, description), ...); },
             T::fields());
  if constexpr (requires(const T& section) { section.validate(); }) {
    description.validators.emplace_back(
        [locate](const void* root) { locate(*static_cast<const Root*>(root)).validate(); });
  }
}

}  // namespace detail

/// The description of a struct, made once. Thread-safe.
template <Section T>
const Description& description_of() {
  static const Description description = [] {
    Description made;
    detail::describe_section<T, T>(
        "", "", [](auto& root) -> auto& { return root; }, made);
    return made;
  }();
  return description;
}

}  // namespace cloob
