#include "text/badness.h"

#include <array>
#include <bit>
#include <bitset>
#include <cstddef>
#include <vector>

#include "cloob/base/error.h"
#include "text/mojibake_characters.h"
#include "text/unicode.h"

namespace cloob {
namespace {

// Further classes, of all of Unicode; their bits are not in the tables.
constexpr ClassSet kAsciiLower = 1u << 24;
constexpr ClassSet kAsciiUpper = 1u << 25;
constexpr ClassSet kAsciiLetter = kAsciiLower | kAsciiUpper;
constexpr ClassSet kNotAsciiLetter = 1u << 26;
constexpr ClassSet kWord = 1u << 27;
constexpr ClassSet kSpace = 1u << 28;
constexpr ClassSet kNotLineBreak = 1u << 29;

ClassSet general_classes(char32_t c) {
  ClassSet classes = 0;
  if (c >= U'a' && c <= U'z') classes |= kAsciiLower;
  if (c >= U'A' && c <= U'Z') classes |= kAsciiUpper;
  if (classes == 0) classes |= kNotAsciiLetter;
  if (c == U'_' || is_letter(c) || is_number(c)) classes |= kWord;
  if (is_space(c)) classes |= kSpace;
  if (c != U'\n') classes |= kNotLineBreak;
  return classes;
}

// One character of a rule: it is in one of the classes or one of the others.
struct Element {
  constexpr Element(ClassSet some_classes, std::u32string_view more = {})
      : classes(some_classes), others(more) {}
  constexpr Element(const char32_t* some) : others(some) {}

  ClassSet classes = 0;
  std::u32string_view others;

  bool matches(char32_t c, ClassSet classes_of_c) const {
    return (classes & classes_of_c) != 0 || others.find(c) != std::u32string_view::npos;
  }
};

// A sequence of characters that indicates mojibake.
struct Rule {
  std::vector<Element> elements;
  bool only_at_start = false;
};

// The alternatives of BADNESS_RE in ftfy/badness.py, in its order.
std::vector<Rule> badness_rules() {
  constexpr ClassSet kMarks = kBox | kStartPunctuation | kEndPunctuation | kCurrency | kNumeric | kLaw |
                              kLowerAccented | kUpperAccented;
  constexpr ClassSet kAccented = kLowerAccented | kUpperAccented;
  constexpr ClassSet kQuotes = kStartPunctuation | kEndPunctuation;
  // Second character of mojibake of Arabic letters, between its first characters.
  constexpr Element kArabicLead = U"\u00D8\u00D9";
  constexpr Element kArabicNext = {kCommon | kCurrency | kBad | kNumeric | kStartPunctuation,
                                   U"\u0178\u0160\u00AE\u00B0\u00B5\u00BB"};
  constexpr Element kATildeOrCircumflex = U"\u00C3\u00C2";
  constexpr Element kCyrillicLead = U"\u0412\u0413\u0420\u0421";
  constexpr Element kGreekLead = U"\u0392\u0393\u039E\u039F";
  return {
      {{kC1}},
      {{kMarks | kBad, kBad}},
      {{kAsciiLetter, kLowerCommon | kUpperCommon, kBad}},
      {{kBad, kMarks}},
      {{kLowerAccented | kLowerCommon | kBox | kEndPunctuation | kCurrency | kNumeric, kUpperAccented}},
      {{kBox | kEndPunctuation | kCurrency | kNumeric, kLowerAccented}},
      {{kLowerAccented | kBox | kEndPunctuation, kCurrency}},
      {{kSpace, kUpperAccented, kCurrency}},
      {{kUpperAccented | kBox, kNumeric | kLaw}},
      {{kAccented | kBox | kCurrency | kEndPunctuation, kStartPunctuation, kNumeric}},
      {{kAccented | kCurrency | kNumeric | kBox | kLaw, kEndPunctuation, kStartPunctuation}},
      {{kCurrency | kNumeric | kBox, kStartPunctuation}},
      {{kAsciiLower, kUpperAccented, kStartPunctuation | kCurrency}},
      {{kBox, kKaomoji}},
      {{kAccented | kCurrency | kNumeric | kQuotes | kLaw, kBox}},
      {{kBox, kEndPunctuation}},
      {{kAccented, kQuotes, kWord}},
      // The oe ligature before anything but a plain letter.
      {{U"\u0152\u0153", kNotAsciiLetter}},
      {{kUpperAccented, U"\u00B0"}},
      // Windows-1252: sequences of two bytes.
      {{U"\u00C2\u00C3\u00CE\u00D0",
        {kQuotes,
         U"\u20AC\u0153\u0160\u0161\u00A2\u00A3\u0178\u017E\u00A0\u00AD\u00AE\u00A9\u00B0\u00B7\u00BB\u2013"
         U"\u2014\u00B4"}}},
      {{U"\u00D7", U"\u00B2\u00B3"}},
      {{kArabicLead, kArabicNext, kArabicLead, kArabicNext}},
      // South Asian alphabets.
      {{U"\u00E0", U"\u00B2\u00B5\u00B9\u00BC\u00BD\u00BE"}},
      // MacRoman.
      {{U"\u221A", U"\u00B1\u2202\u2020\u2260\u00AE\u2122\u00B4\u2264\u2265\u00A5\u00B5\u00F8"}},
      {{U"\u2248", U"\u00B0\u00A2"}},
      {{U"\u201A", U"\u00C4", U"\u00EC\u00EE\u00EF\u00F2\u00F4\u00FA\u00F9\u00FB\u2020\u00B0\u00A2\u03C0"}},
      {{U"\u201A", U"\u00E2\u00F3", U"\u00E0\u00E4\u00B0\u00EA"}},
      // Windows-1251: punctuation, then Latin-1 and Cyrillic letters, then those on top of Latin-1.
      {{U"\u0432", U"\u0402"}},
      {{kCyrillicLead, {kC1 | kBad | kQuotes | kCurrency, U"\u00B0\u00B5"}, kCyrillicLead}},
      {{U"\u0413", U"\u045E", U"\u0412", U"\u0402", U"\u0412", kNotLineBreak, {kAsciiLetter, U" "}}},
      // Windows-1252: 'a' with a grave or an acute accent, and no-break spaces that became spaces.
      {{U"\u00C3", U"\u00A0\u00A1"}},
      {{kAsciiLower, kATildeOrCircumflex, U" "}},
      {{kAsciiLower, kSpace, kATildeOrCircumflex, U" "}},
      {{kATildeOrCircumflex, U" "}, /*only_at_start=*/true},
      {{{kAsciiLower | kEndPunctuation, U".,?!"}, U"\u00C2", {kQuotes, U" "}}},
      // Windows-1253: punctuation, then Latin-1 and Greek letters.
      {{U"\u03B2", U"\u20AC", U"\u2122\u00A0\u0386\u00AD\u00AE\u00B0"}},
      {{kGreekLead, {kC1 | kBad | kQuotes | kCurrency, U"\u00B0"}, kGreekLead}},
      // Windows-1257: punctuation.
      {{U"\u0101", U"\u20AC"}},
  };
}

// Follows all rules at once. State i says that the characters read last match a rule up to its element i,
// where the elements of all rules are numbered one after the other.
class RuleScanner {
 public:
  RuleScanner() {
    const std::vector<Rule> rules = badness_rules();
    const MojibakeCharacters& characters = MojibakeCharacters::instance();
    matching_.resize(characters.all().size());
    std::size_t state = 0;
    for (const Rule& rule : rules) {
      (rule.only_at_start ? first_at_start_ : first_).set(state);
      for (const Element& element : rule.elements) add(element, state++);
      last_.set(state - 1);
    }
    first_at_start_ |= first_;
  }

  bool finds_rule(std::u32string_view text) const {
    const MojibakeCharacters& characters = MojibakeCharacters::instance();
    States reached;
    const States* first = &first_at_start_;
    for (const char32_t c : text) {
      const std::size_t place = characters.place(c);
      reached = ((reached << 1) | *first) &
                (place != MojibakeCharacters::kOther ? matching_[place] : matching_other(c));
      if ((reached & last_).any()) return true;
      first = &first_;
    }
    return false;
  }

 private:
  static constexpr std::size_t kMaxStates = 128;
  using States = std::bitset<kMaxStates>;

  void add(const Element& element, std::size_t state) {
    CLOOB_CHECK(state < kMaxStates, "too many rules for {} states", kMaxStates);
    const std::vector<MojibakeCharacter>& all = MojibakeCharacters::instance().all();
    for (std::size_t i = MojibakeCharacters::kOther + 1; i < all.size(); ++i) {
      const char32_t c = all[i].code_point;
      if (element.matches(c, all[i].classes | general_classes(c))) matching_[i].set(state);
    }
    for (std::size_t bit = 0; bit < matching_general_.size(); ++bit) {
      if ((element.classes >> bit & 1u) != 0) matching_general_[bit].set(state);
    }
  }

  // For characters that are in no table.
  States matching_other(char32_t c) const {
    States states;
    const ClassSet classes = general_classes(c);
    for (const ClassSet some : {kNotAsciiLetter, kWord, kSpace, kNotLineBreak}) {
      if ((classes & some) != 0)
        states |= matching_general_[static_cast<std::size_t>(std::countr_zero(some))];
    }
    return states;
  }

  States first_, first_at_start_, last_;
  std::vector<States> matching_;                  // by place of the character
  std::array<States, 32> matching_general_ = {};  // by bit of the class
};

}  // namespace

bool is_bad(std::u32string_view text) {
  static const RuleScanner scanner;
  return scanner.finds_rule(text);
}

}  // namespace cloob
