// What the Markdown documents name exists: files, commands with their options, settings.

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/cli/program.h"
#include "cloob/config/config.h"
#include "cloob/eval/suite/suite_config.h"
#include "cloob/run/run_config.h"
#include "support/support.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

std::vector<fs::path> documents() {
  std::vector<fs::path> paths = {testing::source_dir() / "README.md", testing::source_dir() / "Dockerfile"};
  for (const auto& entry : fs::directory_iterator(testing::source_dir() / "docs")) {
    if (entry.path().extension() == ".md") paths.push_back(entry.path());
  }
  return paths;
}

struct Found {
  std::string where;
  std::string text;
};

std::vector<Found> matches_in_documents(const std::regex& pattern) {
  std::vector<Found> found;
  for (const fs::path& path : documents()) {
    const std::string content = read_file(path);
    for (std::sregex_iterator match(content.begin(), content.end(), pattern), end; match != end; ++match) {
      found.push_back({path.string(), match->str(1)});
    }
  }
  return found;
}

// The lines of blocks marked `sh`, without comments; lines that end in a backslash are joined with the next.
std::vector<Found> shell_lines() {
  static const std::regex comment("(^|\\s)#.*$");
  std::vector<Found> lines;
  for (const fs::path& path : documents()) {
    bool inside = false;
    std::string joined;
    for (const std::string& line : split(read_file(path), '\n')) {
      if (line.starts_with("```")) inside = line == "```sh";
      if (!inside || line.starts_with("```")) continue;
      joined += std::regex_replace(line, comment, "");
      if (joined.ends_with('\\')) {
        joined.pop_back();
        continue;
      }
      lines.push_back({path.string(), joined});
      joined.clear();
    }
  }
  return lines;
}

// Quotes join words and are removed. Nothing else of a shell's grammar is known.
Words shell_words(const std::string& line) {
  Words words;
  std::string word;
  char quote = 0;
  bool has_word = false;
  for (const char c : line + ' ') {
    if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
      has_word = true;
    } else if (c == quote) {
      quote = 0;
    } else if (quote == 0 && c == ' ') {
      if (has_word || !word.empty()) words.push_back(std::exchange(word, {}));
      has_word = false;
    } else {
      word += c;
    }
  }
  return words;
}

struct Command {
  std::string where;
  Words words;  // after the name of the program
};

std::vector<Command> commands() {
  static const std::set<std::string> ends = {"|", "||", "&&", ">", "2>", "&", ";"};
  std::vector<Command> found;
  for (const Found& line : shell_lines()) {
    std::optional<Command> command;
    for (std::string word : shell_words(line.text)) {
      const bool is_last = word.ends_with(';') || ends.contains(word);
      if (word.ends_with(';')) word.pop_back();
      if (command && !word.empty() && !ends.contains(word)) command->words.push_back(word);
      if (!command && (word == "cloob" || word.ends_with("/bin/cloob")))
        command = Command{line.where + ": " + line.text, {}};
      if (is_last && command) found.push_back(*std::exchange(command, std::nullopt));
    }
    if (command) found.push_back(*command);
  }
  return found;
}

struct Help {
  std::set<std::string> subcommands;
  std::set<std::string> options;
  std::set<std::string> required;
  bool takes_settings = false;
  bool takes_only_data_settings = false;
};

// What `cloob COMMAND --help` prints; in this process, since loading LibTorch for each command takes long.
std::string printed_help(const std::string& command) {
  Words words = {"cloob"};
  for (const std::string& word : shell_words(command)) words.push_back(word);
  words.emplace_back("--help");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  ::testing::internal::CaptureStdout();
  run_program(static_cast<int>(arguments.size()), arguments.data(), add_all_commands);
  return ::testing::internal::GetCapturedStdout();
}

const Help& help_of(const std::string& command) {
  static std::map<std::string, Help> known;
  if (const auto found = known.find(command); found != known.end()) return found->second;
  const std::string text = printed_help(command);
  Help& help = known[command];
  help.takes_settings = text.find("VALUE ") != std::string::npos;
  help.takes_only_data_settings = text.find("--data.") != std::string::npos;
  std::string section;
  for (const std::string& line : split(text, '\n')) {
    if (!line.starts_with("  ")) {
      section = line;
    } else if (section == "Subcommands:") {
      help.subcommands.insert(shell_words(line).front());
    } else if (line.starts_with("  -")) {
      const Words words = shell_words(line.substr(0, line.find("  ", 2)));
      for (const std::string& name : split(words.front(), ',')) help.options.insert(name);
      if (words.back() == "REQUIRED") help.required.insert(words.front());
    }
  }
  return help;
}

std::string wrong_option(const std::string& word, const Help& help, const std::set<std::string>& settings) {
  const std::string name = word.substr(0, word.find('='));
  if (help.options.contains(name)) return "";
  const std::string setting = name.substr(std::min<std::size_t>(2, name.size()));
  if (!help.takes_settings || !settings.contains(setting)) return "unknown option " + name;
  if (help.takes_only_data_settings && !setting.starts_with("data.")) return "no setting of data: " + name;
  return "";
}

// Empty if nothing is wrong.
std::string wrong_in(const Command& command, const std::set<std::string>& settings) {
  std::string name;
  std::size_t i = 0;
  for (; i < command.words.size() && help_of(name).subcommands.contains(command.words[i]); ++i) {
    name += (name.empty() ? "" : " ") + command.words[i];
  }
  const Help& help = help_of(name);
  if (!help.subcommands.empty() && command.words.back() != "--help" && command.words.back() != "--version")
    return "no command, or an unknown one";
  std::set<std::string> missing = help.required;
  for (; i < command.words.size(); ++i) {
    const std::string& word = command.words[i];
    if (word == "--") {  // another command follows
      missing.erase("command");
      const Command rest{command.where,
                         {command.words.begin() + static_cast<std::ptrdiff_t>(i) + 1, command.words.end()}};
      return missing.empty() ? wrong_in(rest, settings) : *missing.begin() + " is missing";
    }
    missing.erase(word.substr(0, word.find('=')));
    if (word.starts_with('-') && word.size() > 1) {
      if (const std::string wrong = wrong_option(word, help, settings); !wrong.empty()) return wrong;
    }
    if (word.starts_with("configs/") && !fs::exists(testing::source_dir() / word))
      return "there is no " + word;
  }
  return missing.empty() ? "" : *missing.begin() + " is missing";
}

std::set<std::string> all_settings() {
  std::set<std::string> all;
  for (const Description* const description :
       {&description_of<RunConfig>(), &description_of<SuiteConfig>()}) {
    const auto names = names_of_settings(*description);
    all.insert(names.begin(), names.end());
  }
  return all;
}

TEST(Documents, LinkToFilesThatExist) {
  const auto links = matches_in_documents(std::regex(R"(\]\(([^)#\s]+)[^)]*\))"));
  EXPECT_GE(links.size(), 20u);
  for (const Found& link : links) {
    if (link.text.find("://") != std::string::npos) continue;
    EXPECT_TRUE(fs::exists(fs::path(link.where).parent_path() / link.text))
        << link.where << ": " << link.text;
  }
}

TEST(Documents, NameRecipesAndScriptsThatExist) {
  const auto files =
      matches_in_documents(std::regex(R"(\b((?:configs|tools)/[\w./-]+\.(?:yaml|sh|py|txt)))"));
  EXPECT_GE(files.size(), 10u);
  for (const Found& file : files)
    EXPECT_TRUE(fs::exists(testing::source_dir() / file.text)) << file.where << ": " << file.text;
}

TEST(Documents, NameSettingsThatExist) {
  static const std::set<std::string> suffixes = {"tsv", "csv", "tar", "html", "md", "h", "cpp", "py", "pkl"};
  std::set<std::string> known = all_settings();
  for (const std::string& setting : all_settings()) {
    for (auto dot = setting.find('.'); dot != std::string::npos; dot = setting.find('.', dot + 1))
      known.insert(setting.substr(0, dot));  // sections
  }
  const auto named = matches_in_documents(std::regex(
      R"(`(?:--)?((?:task|model|data|image|text|loss|retrieval|optimizer|schedule|train|checkpoint|eval|report)\.\w[\w.]*))"));
  EXPECT_GE(named.size(), 100u);
  for (const Found& name : named) {
    if (suffixes.contains(name.text.substr(name.text.rfind('.') + 1))) continue;
    EXPECT_TRUE(known.contains(name.text)) << name.where << ": " << name.text;
  }
}

TEST(Documents, GiveCommandsThatParse) {
  const std::set<std::string> settings = all_settings();
  const auto found = commands();
  EXPECT_GE(found.size(), 15u);
  for (const Command& command : found) EXPECT_EQ(wrong_in(command, settings), "") << command.where;
}

// The sources, with string literals that continue on the next line joined.
std::string sources() {
  std::string joined;
  for (const char* folder : {"src", "cmake", "tools"}) {
    for (const auto& entry : fs::recursive_directory_iterator(testing::source_dir() / folder)) {
      if (!entry.is_regular_file()) continue;
      for (const std::string& line : split(read_file(entry.path()), '\n')) {
        const std::string_view code = trim(line);
        if (joined.ends_with("\"\n") && code.starts_with('"')) {
          joined.resize(joined.size() - 2);
          joined += code.substr(1);
        } else {
          joined += code;
        }
        joined += '\n';
      }
    }
  }
  return joined;
}

// Whether the pieces follow one another in a line of the text, with up to 60 characters between two.
bool contains_in_order(const std::string& text, const Words& pieces) {
  constexpr std::size_t kMostBetween = 60;
  for (auto begin = text.find(pieces.front()); begin != std::string::npos;
       begin = text.find(pieces.front(), begin + 1)) {
    std::size_t end = begin + pieces.front().size();
    for (std::size_t i = 1; i < pieces.size() && end != std::string::npos; ++i) {
      const std::string between = text.substr(end, kMostBetween + pieces[i].size());
      const std::size_t found = between.substr(0, between.find('\n')).find(pieces[i]);
      end = found == std::string::npos ? found : end + found + pieces[i].size();
    }
    if (end != std::string::npos) return true;
  }
  return false;
}

// The parts of a quoted message between what varies: dots, N, M and NAME.
Words fixed_pieces(const std::string& message) {
  static const std::regex varying(R"(\.\.\.|\b(N|M|NAME)\b)");
  Words pieces;
  for (std::sregex_token_iterator piece(message.begin(), message.end(), varying, -1), end; piece != end;
       ++piece)
    if (!trim(piece->str()).empty()) pieces.push_back(*piece);
  return pieces;
}

// In docs/troubleshooting.md a message is what the first column of a table quotes with three words or more.
TEST(Documents, QuoteMessagesThatExist) {
  static const std::regex quoted("`([^`]*)`");
  const std::string text = sources();
  int num_messages = 0;
  for (const std::string& line :
       split(read_file(testing::source_dir() / "docs" / "troubleshooting.md"), '\n')) {
    const std::string seen = line.starts_with("| ") ? line.substr(0, line.find(" | ")) : "";
    for (std::sregex_iterator match(seen.begin(), seen.end(), quoted), end; match != end; ++match) {
      if (split(match->str(1), ' ').size() < 3) continue;
      EXPECT_TRUE(contains_in_order(text, fixed_pieces(match->str(1)))) << match->str(1);
      ++num_messages;
    }
  }
  EXPECT_GE(num_messages, 30);
  EXPECT_FALSE(contains_in_order(text, fixed_pieces("is a folder: ... no such message")));
}

TEST(Documents, CommandsThatDoNotParseAreFound) {
  const std::set<std::string> settings = all_settings();
  const auto wrong = [&](const std::string& line) { return wrong_in({line, shell_words(line)}, settings); };
  EXPECT_EQ(wrong("train x.yaml --optimizer.lr 1e-3 --resume auto"), "");
  EXPECT_EQ(wrong("train x.yaml --optimizer.rate 1e-3"), "unknown option --optimizer.rate");
  EXPECT_EQ(wrong("train configs/run/none.yaml"), "there is no configs/run/none.yaml");
  EXPECT_EQ(wrong("train x.yaml --fast"), "unknown option --fast");
  EXPECT_EQ(wrong("data inspect 'a b.tar' --optimizer.lr 1"), "no setting of data: --optimizer.lr");
  EXPECT_EQ(wrong("data pack x"), "--out is missing");
  EXPECT_EQ(wrong("eval zeroshot x"), "no command, or an unknown one");
}

}  // namespace
}  // namespace cloob
