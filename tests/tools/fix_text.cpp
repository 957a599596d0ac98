// Applies fix_text to strings: reads one JSON string a line and writes the fixed one.
// tools/mojibake/compare.py runs it.
#include "text/fix_text.h"

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "text/unicode.h"

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto text = nlohmann::json::parse(line).get<std::string>();
    std::cout << nlohmann::json(cloob::encode_utf8(cloob::fix_text(cloob::decode_utf8(text)))).dump() << '\n';
  }
}
