#include "io/hub/download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <optional>

#include "core/file.h"
#include "core/random.h"
#include "core/test_file_limit.h"
#include "io/hub/partial_file.h"
#include "io/hub/test_hub_server.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

std::string noise(size_t n, uint64_t seed = 1) {
  std::string bytes(n, '\0');
  uint64_t x = seed;
  for (char& c : bytes) c = static_cast<char>((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
  return bytes;
}

// A hub with one file, and where it goes.
struct Download : testing::Test {
  Download() {
    fs::remove_all(folder);
    server.files["org/model/" + file.path] = {bytes};
    file.size = bytes.size();
    file.sha256 = TestHubServer::digest(bytes);
  }
  ~Download() override { fs::remove_all(folder); }

  Status fetch() {
    const HubOptions hub{.base = server.url(), .token = {}, .trusted_file = trusted, .connect_seconds = 2, .stall_seconds = 1,
                         .attempts = 4, .first_pause = std::chrono::milliseconds(1), .cancelled = &cancelled};
    return download(*Hub::open(hub), {.name = "org/model"}, file, to, options);
  }
  std::string error() {
    const Status status = fetch();
    return status.ok() ? "" : status.error().to_string();
  }
  void expect_whole() {
    EXPECT_EQ(read_file(to).value() == bytes, true);
    EXPECT_FALSE(fs::exists(part));
    EXPECT_FALSE(fs::exists(state));
  }
  void expect_no_file() { EXPECT_FALSE(fs::exists(to)); }
  size_t n_requests() { return server.requests().size(); }

  const std::string bytes = noise(1000000);
  TestHubServer server;
  HubFile file{"model.gguf", 0, ""};
  std::atomic<bool> cancelled{false};
  std::string trusted;
  const fs::path folder = fs::path(testing::TempDir()) / fmt::format("owlet_download_{}", ::getpid());
  const fs::path to = folder / "org/model/model.gguf", part = to.string() + ".part", state = to.string() + ".part.state";
  DownloadOptions options{.connections = 3, .piece_bytes = 150000};
};

TEST_F(Download, ByRangesInParallel) {
  ASSERT_EQ(error(), "");
  expect_whole();
  EXPECT_EQ(n_requests(), 7u);
  EXPECT_EQ(server.sent(), bytes.size());
}

TEST_F(Download, AServerWithoutRanges) {
  server.knows_ranges = false;
  ASSERT_EQ(error(), "");
  expect_whole();
  EXPECT_EQ(n_requests(), 1u);
}

TEST_F(Download, OverTlsInParallel) {
  server.certificate.emplace();
  trusted = folder / "trusted.pem";
  fs::create_directories(folder);
  ASSERT_TRUE(write_file(trusted, server.certificate->pem()).ok());
  ASSERT_EQ(error(), "");
  expect_whole();
  EXPECT_EQ(n_requests(), 7u);
}

TEST_F(Download, SmallAndEmptyFiles) {
  options.piece_bytes = 1 << 20;
  ASSERT_EQ(error(), "");
  expect_whole();
  EXPECT_EQ(server.requests()[0].header("range"), "");
  file = {"empty", 0, ""};
  ASSERT_EQ(error(), "");
  EXPECT_EQ(fs::file_size(to), 0u);
}

TEST_F(Download, ProgressGrowsToTheEnd) {
  std::vector<uint64_t> seen;
  options.on_progress = [&](uint64_t received) { seen.push_back(received); };
  ASSERT_EQ(error(), "");
  ASSERT_FALSE(seen.empty());
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), bytes.size());
}

// The process dies without a word; only what it had not yet received is fetched again.
TEST_F(Download, AKilledOneGoesOnWhereItWas) {
  std::atomic<int> served{0};
  server.fault = [&](const TestRequest& request, const TestConnection& c) {
    size_t begin = 0, end = 0;
    if (!request.range(begin, end) || served++ < 3) return false;
    // The fourth and later pieces begin and never end.
    c.send(fmt::format("HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {}-{}/{}\r\n\r\n", end - begin, begin, end - 1, bytes.size()));
    c.send(std::string_view(bytes).substr(begin, 50000));
    for (int i = 0; i < 3000 && !server.stopping(); ++i) {
      if (!c.send(std::string_view(bytes).substr(begin + 50000 + static_cast<size_t>(i), 1))) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  };
  // Its name under which it would be found has to be free until the end.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    options.on_progress = [&](uint64_t) { if (bytes_kept(file, to) >= 500000) ::kill(::getpid(), SIGKILL); };
    (void)fetch();
    ::_exit(1);
  }
  int how = 0;
  ASSERT_EQ(::waitpid(child, &how, 0), child);
  ASSERT_TRUE(WIFSIGNALED(how));
  expect_no_file();
  const uint64_t kept = bytes_kept(file, to);
  EXPECT_GE(kept, 500000u);
  EXPECT_LT(kept, bytes.size());
  server.fault = nullptr;
  const uint64_t before = server.sent();
  ASSERT_EQ(error(), "");
  expect_whole();
  EXPECT_EQ(server.sent() - before, bytes.size() - kept);
}

TEST_F(Download, CtrlCLeavesAStateToGoOnFrom) {
  options.connections = 1;
  server.fault = [&](const TestRequest&, const TestConnection&) {
    if (n_requests() == 4) {
      cancelled = true;
      while (!server.stopping() && cancelled) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  };
  EXPECT_EQ(fetch().error().code, ErrorCode::kCancelled);
  expect_no_file();
  EXPECT_EQ(bytes_kept(file, to), 450000u);
  cancelled = false;
  server.fault = nullptr;
  ASSERT_EQ(error(), "");
  expect_whole();
  EXPECT_EQ(server.sent() - bytes.size(), n_requests() == 8 ? 150000u : 0u);  // the piece that was asked for in vain
}

TEST_F(Download, WhatWasKeptOfAnotherVersionIsNotUsed) {
  cancelled = true;
  (void)fetch();
  cancelled = false;
  fs::create_directories(to.parent_path());
  ASSERT_TRUE(write_file(part, noise(bytes.size(), 7)).ok());
  ReceivedPieces pieces(bytes.size(), 150000, TestHubServer::digest("another"));
  pieces.received[0] = 150000;
  ASSERT_TRUE(write_file(state, dump_json({{"size", pieces.size}, {"version", pieces.version}, {"piece_bytes", 150000}, {"received", pieces.received}})).ok());
  EXPECT_EQ(bytes_kept(file, to), 0u);
  ASSERT_EQ(error(), "");
  expect_whole();
}

TEST_F(Download, StatesThatMakeNoSense) {
  fs::create_directories(to.parent_path());
  for (const char* text : {"", "{}", "[]", R"({"size":1000000,"version":"x","piece_bytes":0,"received":[]})",
                           R"({"size":1000000,"version":"x","piece_bytes":1,"received":[]})",
                           R"({"size":1000000,"version":"x","piece_bytes":1000000,"received":[1000001]})",
                           R"({"size":1000000,"version":"x","piece_bytes":1000000,"received":[-1]})",
                           R"({"size":1000000,"version":"x","piece_bytes":600000,"received":[1]})"}) {
    ASSERT_TRUE(write_file(part, bytes).ok());
    ASSERT_TRUE(write_file(state, text).ok());
    EXPECT_FALSE(read_pieces(to).ok()) << text;
    ASSERT_EQ(error(), "") << text;
    expect_whole();
  }
}

TEST_F(Download, DamageIsNoticedAndAskedForAgain) {
  std::vector<std::string> notes;
  options.on_note = [&](const std::string& note) { notes.push_back(note); };
  std::string damaged = bytes;
  damaged[777777] ^= 1;
  server.files["org/model/model.gguf"].bytes = damaged;
  server.names_digests = false;
  server.fault = [&](const TestRequest&, const TestConnection&) {
    if (n_requests() == 8) server.files["org/model/model.gguf"].bytes = bytes;
    return false;
  };
  options.connections = 1;
  ASSERT_EQ(error(), "");
  expect_whole();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("SHA-256"));
}

TEST_F(Download, DamageThatStaysIsAnErrorAndLeavesNothing) {
  server.files["org/model/model.gguf"].bytes[5] ^= 1;
  server.names_digests = false;
  EXPECT_THAT(error(), HasSubstr("came with the SHA-256"));
  expect_no_file();
  EXPECT_FALSE(fs::exists(part));
  EXPECT_EQ(server.sent(), 2 * bytes.size());
}

TEST_F(Download, TheDigestMayComeWithTheFileOnly) {
  file.sha256.clear();
  ASSERT_EQ(error(), "");
  expect_whole();
  fs::remove(to);
  server.fault = [&](const TestRequest&, const TestConnection& c) {
    return c.reply("200 OK", fmt::format("X-Linked-ETag: \"{}\"\r\n", TestHubServer::digest("else")), bytes), true;
  };
  EXPECT_THAT(error(), HasSubstr("came with the SHA-256"));
  expect_no_file();
}

TEST_F(Download, AnotherDigestThanListed) {
  server.fault = [&](const TestRequest&, const TestConnection& c) {
    return c.reply("200 OK", fmt::format("X-Linked-ETag: \"{}\"\r\n", TestHubServer::digest("else")), bytes), true;
  };
  EXPECT_THAT(error(), HasSubstr("has changed on the hub"));
  expect_no_file();
}

TEST_F(Download, StallsAndShortBodiesAreTakenUpAgain) {
  std::atomic<int> faults{0};
  server.fault = [&](const TestRequest& request, const TestConnection& c) {
    size_t begin = 0, end = 0;
    if (!request.range(begin, end) || faults >= 4) return false;
    const int kind = faults++;
    if (kind == 3) return c.reply("503 Service Unavailable", "", ""), true;
    c.send(fmt::format("HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {}-{}/{}\r\n\r\n", end - begin, begin, end - 1, bytes.size()));
    c.send(std::string_view(bytes).substr(begin, 1000));
    // A connection that breaks, and one that stays open and silent.
    while (kind == 1 && !server.stopping() && c.send("")) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return true;
  };
  ASSERT_EQ(error(), "");
  expect_whole();
  EXPECT_EQ(faults, 4);
  EXPECT_EQ(server.sent(), bytes.size() - 3000);  // what came before a break is kept
}

TEST_F(Download, AServerThatAlwaysBreaksOff) {
  server.knows_ranges = false;
  server.fault = [&](const TestRequest&, const TestConnection& c) {
    c.head("200 OK", "", bytes.size());
    return c.send(std::string_view(bytes).substr(0, 300000)), true;
  };
  EXPECT_NE(error(), "");
  EXPECT_LE(n_requests(), 5u);  // the first brought something, four more in a row nothing new
  expect_no_file();
}

TEST_F(Download, WrongLengths) {
  const auto answer = [&](const std::string& status, const std::string& headers, const std::string& body) {
    server.fault = [=](const TestRequest&, const TestConnection& c) { return c.reply(status, headers, body), true; };
    return error();
  };
  EXPECT_THAT(answer("206 Partial Content", "Content-Range: bytes 0-149999/999999\r\n", bytes.substr(0, 150000)), HasSubstr("lists 1000000 bytes and sends 999999"));
  EXPECT_THAT(answer("206 Partial Content", "Content-Range: bytes 0-149999/1000000\r\n", bytes.substr(0, 150001)), HasSubstr("sends more"));
  EXPECT_THAT(answer("206 Partial Content", "Content-Range: bytes 5-149999/1000000\r\n", "x"), HasSubstr("another part"));
  EXPECT_THAT(answer("206 Partial Content", "", "x"), HasSubstr("without saying which part"));
  EXPECT_THAT(answer("200 OK", "", bytes + "x"), HasSubstr("sends more"));
  EXPECT_THAT(answer("200 OK", "", bytes.substr(1)), HasSubstr("ended after 999999 of 1000000"));
  EXPECT_THAT(answer("200 OK", "Content-Encoding: gzip\r\n", std::string("\x1f\x8b\x08", 3)), HasSubstr("compressed"));
  EXPECT_THAT(answer("404 Not Found", "", ""), HasSubstr("model.gguf of org/model is not on"));
  expect_no_file();
}

TEST_F(Download, AnEndlessBodyIsCutOff) {
  server.fault = [&](const TestRequest&, const TestConnection& c) {
    c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (!server.stopping() && c.send("186a0\r\n" + bytes.substr(0, 100000) + "\r\n")) {}
    return true;
  };
  EXPECT_THAT(error(), HasSubstr("sends more"));
  expect_no_file();
}

TEST_F(Download, TwoAtOnceAreRefused) {
  fs::create_directories(to.parent_path());
  const auto other = PartialFile::open(to, bytes.size(), file.sha256, 1000);
  ASSERT_TRUE(other.ok());
  EXPECT_THAT(error(), HasSubstr("being fetched already"));
}

TEST_F(Download, RoomOnTheDisk) {
  EXPECT_TRUE(check_space(folder / "not/yet/there", 1).ok());
  EXPECT_THAT(check_space(folder / "not/yet/there", uint64_t{1} << 60).error().to_string(), HasSubstr("GB are to come"));
}

TEST_F(Download, NoRoomForTheFile) {
  {
    const FileLimit limit(500000);
    EXPECT_THAT(error(), HasSubstr(fmt::format("cannot enlarge {}: File too large", part.string())));
  }
  expect_no_file();
  EXPECT_FALSE(fs::exists(part));
  EXPECT_EQ(server.sent(), 0u);
}

TEST_F(Download, TheDiskIsFullOnTheWay) {
  std::optional<FileLimit> limit;
  options.connections = 1;
  server.fault = [&](const TestRequest&, const TestConnection&) {
    if (n_requests() == 3) limit.emplace(400000);  // in the third of seven pieces
    return false;
  };
  EXPECT_THAT(error(), HasSubstr(fmt::format("cannot write {}: File too large", part.string())));
  limit.reset();
  expect_no_file();
  EXPECT_GE(bytes_kept(file, to), 300000u);
  EXPECT_LE(bytes_kept(file, to), 400000u);
  server.fault = nullptr;
  ASSERT_EQ(error(), "");
  expect_whole();
}

TEST_F(Download, WhetherAFileIsThere) {
  EXPECT_FALSE(*is_same_file(file, to));
  ASSERT_EQ(error(), "");
  EXPECT_TRUE(*is_same_file(file, to));
  std::string damaged = bytes;
  damaged[0] ^= 1;
  ASSERT_TRUE(write_file(to, damaged).ok());
  EXPECT_FALSE(*is_same_file(file, to));
}

}  // namespace
}  // namespace owlet
