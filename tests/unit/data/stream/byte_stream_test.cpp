#include <fmt/core.h>

#include <chrono>
#include <thread>

#include "cloob/base/files.h"
#include "cloob/base/timer.h"
#include "data/stream/byte_stream.h"
#include "data/stream/http_answer.h"
#include "support/http_server.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::HttpFault;
using testing::HttpServer;
using testing::TempDir;

StreamConfig quick() {
  return {.buffer_samples = 10, .timeout_seconds = 0.3, .retries = 3, .retry_seconds = 0.01};
}

std::string read_all(const std::string& name, const StreamConfig& config = quick(),
                     std::size_t chunk = 1000) {
  const auto stream = open_stream(name, config, {});
  std::string text;
  std::vector<std::byte> bytes(chunk);
  while (const std::size_t count = stream->read(bytes)) {
    text += testing::as_string(std::span(bytes).first(count));
  }
  return text;
}

std::string error_of(const std::string& name, const StreamConfig& config = quick()) {
  try {
    read_all(name, config);
  } catch (const StreamError& error) {
    return error.what();
  }
  return "no error";
}

std::string some_text(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * i / 7 + i / 1000) % 26);
  return text;
}

TEST(ByteStream, ReadsFilesCommandsAndAddressesAlike) {
  const TempDir folder;
  HttpServer server;
  const std::string text = some_text(700'000);
  const std::string path = testing::write_text(folder / "a b.bin", text).string();
  server.put("a.bin", text);
  EXPECT_EQ(read_all(path), text);
  EXPECT_EQ(read_all("pipe:cat '" + path + "'"), text);
  EXPECT_EQ(read_all(server.address("a.bin")), text);
  EXPECT_EQ(read_all("pipe:true"), "");
}

TEST(ByteStream, DecompressesGzipWhateverTheName) {
  const TempDir folder;
  HttpServer server;
  const std::string text = some_text(300'000);
  const std::string path = testing::write_gzip(folder / "a.tar.gz", text).string();
  const std::string compressed = read_file(path);
  server.put("a", compressed);
  EXPECT_EQ(read_all(path), text);
  EXPECT_EQ(read_all(path, quick(), 1), text);
  EXPECT_EQ(read_all("pipe:cat '" + path + "'"), text);
  EXPECT_EQ(read_all(server.address("a")), text);
  // Consecutive gzip members, and padding after the last one.
  EXPECT_EQ(
      read_all(
          testing::write_text(folder / "two", compressed + compressed + std::string(512, '\0')).string()),
      text + text);
  EXPECT_THAT(
      error_of(testing::write_text(folder / "cut", compressed.substr(0, compressed.size() / 2)).string()),
      ::testing::HasSubstr("gzip data is truncated"));
  std::string damaged = compressed;
  damaged[compressed.size() / 2] = static_cast<char>(~damaged[compressed.size() / 2]);
  EXPECT_THAT(error_of(testing::write_text(folder / "bad", damaged).string()),
              ::testing::HasSubstr("gzip data is damaged"));
}

TEST(ByteStream, ReportsHowACommandFailed) {
  EXPECT_THAT(error_of("pipe:echo x; exit 3"), ::testing::HasSubstr("the command exited with status 3"));
  EXPECT_THAT(error_of("pipe:echo x; kill -9 $$"),
              ::testing::HasSubstr("the command was killed by signal 9"));
  EXPECT_THAT(error_of("pipe:no-such-command-at-all 2>/dev/null"), ::testing::HasSubstr("status 127"));
  EXPECT_THAT(error_of("pipe:echo x; sleep 100"), ::testing::HasSubstr("no data for 0.3 s"));
}

TEST(ByteStream, ContinuesWhereACommandDied) {
  const TempDir folder;
  const std::string text = some_text(50'000);
  const std::string path = testing::write_text(folder / "a", text).string();
  // Dies twice, after 10,000 and after 20,000 bytes.
  const std::string command = fmt::format(
      "pipe:cd '{}'; echo . >> runs; n=$(wc -l < runs); if [ $n -lt 3 ]; then head -c ${{n}}0000 a; exit 1; "
      "fi; cat a",
      folder.path().string());
  EXPECT_EQ(read_all(command), text);
  EXPECT_EQ(read_file(folder / "runs"), ".\n.\n.\n");
}

TEST(ByteStream, ContinuesWhereAConnectionBroke) {
  HttpServer server;
  const std::string text = some_text(400'000);
  server.put("a", text);
  server.fail("a", {{.status = 500}, {.break_off_after = 100'000}, {.status = 503}, {.stall_after = 50'000}});
  EXPECT_EQ(read_all(server.address("a")), text);
  EXPECT_EQ(server.requests("a"), (std::vector<std::string>{"-", "-", "100000-", "100000-", "150000-"}));
  // A server without support for ranges sends everything again.
  server.fail("a", {{.break_off_after = 1000}, {.ignores_range = true}});
  EXPECT_EQ(read_all(server.address("a")), text);
}

TEST(ByteStream, GivesUpAfterTooManyFailuresInARow) {
  HttpServer server;
  server.put("a", "text");
  server.fail("a", std::vector<HttpFault>(100, HttpFault{.status = 500}));
  EXPECT_EQ(error_of(server.address("a")), "the server answered 500, 4 times in a row");
  EXPECT_EQ(server.requests("a").size(), 4u);
  server.fail("a", std::vector<HttpFault>(100, HttpFault{.stall_after = 0}));
  EXPECT_THAT(error_of(server.address("a")), ::testing::HasSubstr("no data for 0.3 s, 4 times in a row"));
}

TEST(ByteStream, DoesNotRetryPermanentErrors) {
  HttpServer server;
  server.put("a", "text");
  server.fail("a", {{.status = 403}});
  EXPECT_EQ(error_of(server.address("a")), "the server answered 403");
  EXPECT_EQ(error_of(server.address("b")), "the server answered 404");
  EXPECT_EQ(server.requests("b").size(), 1u);
}

TEST(ByteStream, DropsTheBodyOfAnError) {
  constexpr std::int64_t kMaxSent = 64 << 20;  // what the buffers between the two hold, generously
  HttpServer server;
  server.put("a", some_text(100'000));
  server.fail("a", std::vector<HttpFault>(4, HttpFault{.status = 500, .is_endless = true}));
  EXPECT_EQ(error_of(server.address("a")), "the server answered 500, 4 times in a row");
  server.fail("a", {{.status = 404, .is_endless = true}});
  EXPECT_EQ(error_of(server.address("a")), "the server answered 404");
  EXPECT_LT(server.bytes_sent(), kMaxSent);
}

TEST(ByteStream, BoundsTheHeaderOfAnAnswer) {
  constexpr std::int64_t kMaxSent = 64 << 20;
  HttpServer server;
  server.put("a", "text");
  server.fail("a", {{.is_endless = true, .extra_header = "X-Filler: " + std::string(1000, 'x') + "\r\n"}});
  EXPECT_EQ(error_of(server.address("a")), "the header of the answer is too long");
  EXPECT_LT(server.bytes_sent(), kMaxSent);
}

TEST(ByteStream, ChecksThatAServerSendsTheRangeAskedFor) {
  HttpServer server;
  const std::string text = some_text(100'000);
  server.put("a", text);
  for (const std::string range : {"bytes 0-99999/100000", "bytes 50001-99999/100000", "bytes */100000",
                                  "nonsense", "bytes 50000-40000/100000", "bytes 99999999999999999999-1/2"}) {
    server.fail("a", {{.break_off_after = 50'000}, {.content_range = range}});
    EXPECT_EQ(error_of(server.address("a")),
              "the server was asked for the bytes from 50000 on and answered with '" + range + "'");
  }
  // More than promised.
  server.fail("a", {{.break_off_after = 50'000}, {.content_range = "bytes 50000-50009/100000"}});
  EXPECT_EQ(error_of(server.address("a")), "the server sent more than 'bytes 50000-50009/100000'");
  server.fail("a", {{.break_off_after = 50'000}, {.content_range = "bytes 50000-99999/*"}});
  EXPECT_EQ(read_all(server.address("a")), text);
}

TEST(ParseContentRange, FollowsTheStandard) {
  EXPECT_EQ(parse_content_range("bytes 0-0/1"), (ContentRange{0, 0, 1}));
  EXPECT_EQ(parse_content_range("Bytes  7-9/*"), (ContentRange{7, 9, std::nullopt}));
  for (const char* text :
       {"", "bytes", "bytes 1-2", "bytes 2-1/3", "bytes 1-3/3", "bytes -1-3/9", "bytes 1-x/9", "items 1-2/3",
        "bytes 1/2-3", "bytes 0-18446744073709551616/*", "bytes 1-2/ 3"}) {
    EXPECT_EQ(parse_content_range(text), std::nullopt) << text;
  }
  EXPECT_EQ(header_value("Content-Range:  x \r\n", "content-range"), "x");
  EXPECT_EQ(header_value("Content-Range-2: x\r\n", "content-range"), std::nullopt);
}

TEST(ByteStream, StopRequestEndsEveryWait) {
  HttpServer server;
  server.put("a", "text");
  server.fail("a", {{.stall_after = 0}});
  server.put("b", "text");
  server.fail("b", std::vector<HttpFault>(100, HttpFault{.status = 500}));
  const StreamConfig patient{.timeout_seconds = 100, .retries = 10, .retry_seconds = 100};
  for (const std::string& name : {std::string("pipe:sleep 100"), server.address("a"), server.address("b")}) {
    std::stop_source stop;
    const auto stream = open_stream(name, patient, stop.get_token());
    std::jthread stopper([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      stop.request_stop();
    });
    std::byte byte{};
    const Timer timer;
    EXPECT_THROW(stream->read({&byte, 1}), StreamStopped) << name;
    EXPECT_LT(timer.seconds(), 20) << name;
  }
}

TEST(ByteStream, LeavesNoProcessBehind) {
  const TempDir folder;
  {
    const auto stream = open_stream(
        fmt::format("pipe:echo $$ > '{}'; echo x; sleep 1000 & sleep 1000", (folder / "pid").string()),
        quick(), {});
    std::byte byte{};
    stream->read({&byte, 1});
  }
  const std::string pid = read_file(folder / "pid");
  EXPECT_FALSE(std::filesystem::exists("/proc/" + pid.substr(0, pid.find('\n'))));
}

}  // namespace
}  // namespace cloob
