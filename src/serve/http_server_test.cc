#include "serve/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "serve/test_client.h"

namespace owlet {
namespace {

using Writer = std::shared_ptr<ResponseWriter>;

HttpResponse refuse(int status, std::string_view why) {
  return {.status = status, .content_type = "text/plain", .body = std::string(why)};
}

// Echoes; /stream streams three pieces; /hold keeps the writer until the client leaves; /drop forgets it.
class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest()
      : server_([this](HttpRequest request, Writer writer) { handle(std::move(request), std::move(writer)); },
                refuse,
                {.max_header_bytes = 4096,
                 .max_body_bytes = 1000,
                 .max_connections = 8,
                 .max_unsent_bytes = 100'000,
                 .header_seconds = 1,
                 .heartbeat_seconds = 1}) {
    EXPECT_TRUE(server_.start("127.0.0.1", 0).ok());
  }

  void handle(HttpRequest request, Writer writer) {
    if (request.path == "/stream") {
      writer->stream_begin({.content_type = "text/plain", .body = "one "});
      writer->stream_write("two ");
      writer->stream_write("three");
      return writer->stream_end();
    }
    if (request.path == "/events") {
      writer->stream_begin({.content_type = "text/event-stream", .body = "data: 1\n\n"});
      return held_.set_value(std::move(writer));
    }
    if (request.path == "/hold") {
      writer->on_disconnect([this] { gone_.set_value(); });
      writer->stream_begin({.content_type = "text/plain", .body = "begun"});
      return held_.set_value(std::move(writer));
    }
    if (request.path == "/flood") {
      writer->on_disconnect([this] { gone_.set_value(); });
      writer->stream_begin({});
      // Far more than the kernel's buffers and the limit take, as tasks of their own so that others get their
      // turn.
      const auto flood = std::make_shared<std::function<void(int)>>();
      *flood = [writer, flood](int left) {
        writer->stream_write(std::string(50'000, 'x'));
        if (left > 0) {
          writer->post([flood, left] { (*flood)(left - 1); });
        } else {
          *flood = nullptr;
        }
      };
      return writer->post([flood] { (*flood)(1000); });
    }
    if (request.path == "/drop") return;
    writer->send({.content_type = "text/plain",
                  .body = request.method + " " + request.path + " " + request.query + " " +
                          std::string(request.header("x-test")) + " " + request.body});
  }

  TestClient connect() { return TestClient(server_.port()); }

  std::promise<void> gone_;
  std::promise<Writer> held_;
  HttpServer server_;
};

TEST_F(HttpServerTest, AnswersManyRequestsOnOneConnection) {
  TestClient client = connect();
  for (int i = 0; i < 5; ++i) {
    const TestResponse response = client.get("/path?a=b", "X-TEST: hello\r\n");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "GET /path a=b hello ");
    EXPECT_EQ(response.header("Connection"), "keep-alive");
    EXPECT_FALSE(response.header("Date").empty());
  }
  EXPECT_EQ(client.post_text("/p", "body").body, "POST /p   body");
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  TestClient client = connect();
  std::string all;
  for (int i = 0; i < 20; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  client.send(all);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.receive().body, "GET /" + std::to_string(i) + "   ");
}

TEST_F(HttpServerTest, StreamsInChunksAndThenGoesOn) {
  TestClient client = connect();
  const TestResponse response = client.get("/stream");
  EXPECT_EQ(response.header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(response.body, "one two three");
  EXPECT_EQ(client.get("/next").body, "GET /next   ");
}

TEST_F(HttpServerTest, ASilentStreamOfEventsSaysThatItIsAlive) {
  TestClient client = connect();
  client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.receive_until(": still here\n\n"));
  const Writer writer = held_.get_future().get();
  writer->stream_write("data: 2\n\n");
  writer->stream_end();
  EXPECT_TRUE(client.receive_until("data: 2\n\n"));
}

TEST_F(HttpServerTest, OldClientsGetTheStreamWithoutChunks) {
  TestClient client = connect();
  client.send("GET /stream HTTP/1.0\r\n\r\n");
  const TestResponse response = client.receive();
  EXPECT_EQ(response.header("Transfer-Encoding"), "");
  EXPECT_EQ(response.header("Connection"), "close");
  EXPECT_EQ(response.body, "one two three");
}

TEST_F(HttpServerTest, HeadGetsNoBody) {
  TestClient client = connect();
  client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
  client.receive_until("GET /b");
  const std::string everything = client.receive().head;
  EXPECT_NE(everything.find("Content-Length: 10"), std::string::npos);
}

TEST_F(HttpServerTest, ContinuesWhenAskedTo) {
  TestClient client = connect();
  client.send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(client.receive_until("100 Continue\r\n\r\n"));
  client.send("ok");
  EXPECT_EQ(client.receive().body, "POST /p   ok");
}

TEST_F(HttpServerTest, RefusesWhatIsMalformedOrTooLargeAndCloses) {
  const std::string big_header = "X-Big: " + std::string(8000, 'x') + "\r\n";
  const std::vector<std::pair<std::string, int>> cases = {
      {"GARBAGE\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},  // no Host
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET http://evil/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\n" + big_header + "\r\n", 431},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + std::string(2000, 'x') +
           "\r\n0\r\n\r\n",
       413},
  };
  for (const auto& [request, status] : cases) {
    TestClient client = connect();
    client.send(request);
    const TestResponse response = client.receive();
    EXPECT_EQ(response.status, status) << request.substr(0, 120);
    EXPECT_EQ(response.header("Connection"), "close") << request.substr(0, 120);
    EXPECT_TRUE(client.at_end()) << request.substr(0, 120);
  }
  TestClient client = connect();
  EXPECT_EQ(client.get("/still").status, 200);
}

TEST_F(HttpServerTest, ChunkedBodiesArrive) {
  TestClient client = connect();
  client.send(
      "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(client.receive().body, "POST /p   abcde");
}

TEST_F(HttpServerTest, ADisconnectIsSeenWhileTheHandlerWorks) {
  TestClient client = connect();
  client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(client.receive_until("begun"));
  client.close();
  EXPECT_EQ(gone_.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  const Writer writer = held_.get_future().get();
  writer->stream_write("nobody reads this");
  writer->stream_end();
}

TEST_F(HttpServerTest, AReaderThatNeverReadsIsDropped) {
  TestClient client = connect();
  client.send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(gone_.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST_F(HttpServerTest, AForgottenAnswerClosesTheConnection) {
  TestClient client = connect();
  EXPECT_EQ(client.get("/drop").status, 0);
}

TEST_F(HttpServerTest, SilentClientsAreClosedAndConnectionsAreBounded) {
  std::vector<std::unique_ptr<TestClient>> silent;
  for (int i = 0; i < 8; ++i) {
    silent.push_back(std::make_unique<TestClient>(server_.port()));
    silent.back()->send(i % 2 ? "GET / HT" : "");
  }
  TestClient extra = connect();
  EXPECT_EQ(extra.get("/").status, 0) << "a ninth connection should have been closed";
  for (auto& client : silent) EXPECT_TRUE(client->at_end());
  TestClient later = connect();
  EXPECT_EQ(later.get("/").status, 200);
}

TEST_F(HttpServerTest, StopEndsWhatIsHeldAndDrainingWaitsForIt) {
  TestClient client = connect();
  client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(client.receive_until("begun"));
  std::thread finisher([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const Writer writer = held_.get_future().get();
    writer->stream_write(" and finished");
    writer->stream_end();
  });
  server_.stop(20);
  finisher.join();
  EXPECT_EQ(client.receive().body, "begun and finished");
  EXPECT_THROW(connect(), boost::system::system_error);
}

TEST(HttpServer, SaysWhyItCannotListen) {
  HttpServer one([](HttpRequest, Writer) {}, refuse);
  ASSERT_TRUE(one.start("127.0.0.1", 0).ok());
  HttpServer two([](HttpRequest, Writer) {}, refuse);
  const Status status = two.start("127.0.0.1", one.port());
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find(std::to_string(one.port())), std::string::npos);
  EXPECT_FALSE(two.start("not an address", 0).ok());
}

}  // namespace
}  // namespace owlet
