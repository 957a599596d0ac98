#include "text/byte_pairs.h"

#include <algorithm>
#include <functional>
#include <queue>

#include "cloob/base/error.h"
#include "text/gzip.h"
#include "text/unicode.h"

namespace cloob {

std::vector<SpelledByte> byte_table() {
  std::vector<SpelledByte> visible, others;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto value = static_cast<unsigned char>(byte);
    const bool is_visible = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    if (is_visible) {
      visible.push_back({value, byte});
    } else {
      others.push_back({value, 0x100 + static_cast<char32_t>(others.size())});
    }
  }
  visible.insert(visible.end(), others.begin(), others.end());
  return visible;
}

namespace {

std::string_view next_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

BytePairs::BytePairs(const std::filesystem::path& path) {
  read_merges(read_gzip_file(path), path.string());
  find_whole_words();
}

void BytePairs::read_merges(std::string_view lines, const std::string& path) {
  std::unordered_map<std::string, std::int64_t> id_of_spelling;
  id_of_spelling.reserve(kNumMerges + 2 * kNumByteTokens);
  const auto add_token = [&](std::string spelling, std::string bytes) {
    bytes_.push_back(std::move(bytes));
    return id_of_spelling.emplace(std::move(spelling), size() - 1).second;
  };
  const std::vector<SpelledByte> table = byte_table();
  for (const bool ends_word : {false, true}) {
    for (const auto& [byte, character] : table) {
      if (!ends_word) id_of_byte_[byte] = size();
      std::string spelling, bytes(1, static_cast<char>(byte));
      append_utf8(character, spelling);
      add_token(ends_word ? spelling.append(kEndOfWord) : spelling, ends_word ? bytes + ' ' : bytes);
    }
  }

  next_line(lines);  // the header
  for (std::size_t i = 0; i < kNumMerges && !lines.empty(); ++i) {
    const std::string_view line = next_line(lines);
    const std::size_t blank = std::min(line.find(' '), line.size());
    const std::string left(line.substr(0, blank)), right(line.substr(std::min(blank + 1, line.size())));
    const auto left_id = id_of_spelling.find(left), right_id = id_of_spelling.find(right);
    if (left_id == id_of_spelling.end() || right_id == id_of_spelling.end() || left.ends_with(kEndOfWord)) {
      throw_user_error(
          "'{}', line {}: '{}' is not a merge of two tokens defined before; expected the format of CLIP's "
          "bpe_simple_vocab_16e6.txt.gz",
          path, i + 2, line.substr(0, 40));
    }
    merges_.insert(left_id->second, right_id->second, size());
    if (!add_token(left + right, bytes_of(left_id->second) + bytes_of(right_id->second))) {
      throw_user_error("'{}', line {}: the token '{}{}' already exists", path, i + 2, left, right);
    }
  }
  if (size() == 2 * kNumByteTokens) throw_user_error("'{}' contains no merges", path);
}

void BytePairs::find_whole_words() {
  std::vector<std::int64_t> ids;
  for (std::int64_t id = kNumByteTokens; id < size(); ++id) {
    const std::string_view bytes = bytes_of(id);
    if (!bytes.ends_with(' ')) continue;
    const std::string_view word = bytes.substr(0, bytes.size() - 1);
    ids.clear();
    append_merged_ids(word, ids);
    // A token may be in the vocabulary although its bytes do not merge into it.
    if (ids.size() == 1) whole_words_.emplace(word, ids[0]);
  }
}

void BytePairs::append_ids(std::string_view word, std::vector<std::int64_t>& ids) const {
  if (const auto whole = whole_words_.find(word); whole != whole_words_.end()) {
    ids.push_back(whole->second);
  } else {
    append_merged_ids(word, ids);
  }
}

void BytePairs::append_merged_ids(std::string_view word, std::vector<std::int64_t>& ids) const {
  const std::size_t begin = ids.size();
  for (const char c : word) ids.push_back(id_of_byte_[static_cast<unsigned char>(c)]);
  ids.back() += kNumByteTokens;
  merge(std::span(ids).subspan(begin));
  ids.erase(std::remove(ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.end(), kMerged), ids.end());
}

void BytePairs::merge(std::span<std::int64_t> ids) const {
  // Candidate merges, lowest id first and then from left to right: the id and the index of the left token in
  // one number. The right token is the next remaining one; tokens are short, so it is never far.
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> candidates;
  const auto right_neighbour = [&](std::size_t index) {
    do ++index;
    while (index < ids.size() && ids[index] == kMerged);
    return index;
  };
  const auto add_candidate = [&](std::size_t left, std::size_t right) {
    const std::uint64_t merged = merges_.find(ids[left], ids[right]);
    if (merged != PairTable::kNone) candidates.push(merged << 32 | left);
  };
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) add_candidate(i, i + 1);
  while (!candidates.empty()) {
    const auto merged = static_cast<std::int64_t>(candidates.top() >> 32);
    const auto left = static_cast<std::size_t>(candidates.top() & 0xFFFFFFFF);
    candidates.pop();
    const std::size_t right = right_neighbour(left);
    // Either token may have been merged with another one in the meantime; no other pair has the same id.
    if (ids[left] == kMerged || right == ids.size() || merges_.find(ids[left], ids[right]) != merged)
      continue;
    ids[left] = merged;
    ids[right] = kMerged;
    if (const std::size_t next = right_neighbour(left); next < ids.size()) add_candidate(left, next);
    std::size_t previous = left;
    while (previous > 0 && ids[--previous] == kMerged) {
    }
    if (previous < left) add_candidate(previous, left);
  }
}

}  // namespace cloob
