#include "io/onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "io/protobuf.h"
#include "io/test_onnx.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;
using testing::ElementsAre;

TEST(Protobuf, BytesAreThoseOfTheSpecification) {
  ProtoMessage inner, message;
  inner.add_int(1, 150);
  EXPECT_EQ(inner.bytes(), "\x08\x96\x01");  // the documentation's own example
  message.add_bytes(2, "testing");
  message.add_message(3, inner);
  EXPECT_EQ(message.bytes(), "\x12\x07testing\x1a\x03\x08\x96\x01");
  ProtoMessage others;
  others.add_int(16, -1);  // two bytes of key, ten of number
  EXPECT_EQ(others.bytes(), "\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  const testing_onnx::ProtoFields back(others.bytes());
  EXPECT_THAT(back.numbers(16), ElementsAre(-1));
}

TEST(Protobuf, NumbersOfEverySizeComeBack) {
  for (int64_t x = 1; x > 0 && x < std::numeric_limits<int64_t>::max() / 2; x *= 2) {
    ProtoMessage message;
    for (const int64_t value : {x - 1, x, -x}) message.add_int(5, value);
    EXPECT_THAT(testing_onnx::ProtoFields(message.bytes()).numbers(5), ElementsAre(x - 1, x, -x));
  }
}

OnnxContent counted(int64_t n) {
  return [n](const OnnxPut& put) -> Status {
    for (int64_t i = 0; i < n; ++i) {
      const auto x = static_cast<float>(i);
      OWLET_TRY(put(std::as_bytes(std::span(&x, 1))));
    }
    return {};
  };
}

// y = x · large + small
OnnxWriter small_graph() {
  OnnxWriter writer;
  writer.add_input("x", OnnxType::kFloat, {std::string("batch"), 500});
  writer.add_tensor({"large", OnnxType::kFloat, {500, 3}, counted(1500)});
  writer.add_tensor({"small", OnnxType::kFloat, {3}, counted(3)});
  writer.add_tensor({"second", OnnxType::kFloat, {3, 300}, counted(900)});
  writer.add_node("MatMul", {"x", "large"}, {"product"});
  writer.add_node("Transpose", {"second"}, {"turned"}, {{"perm", std::vector<int64_t>{1, 0}}});
  writer.add_node("Add", {"product", "small"}, {"y"});
  writer.add_output("y", OnnxType::kFloat, {std::string("batch"), 3});
  return writer;
}

std::vector<float> counting(size_t n) {
  std::vector<float> x(n);
  std::iota(x.begin(), x.end(), 0.0f);
  return x;
}

class OnnxFiles : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(dir_)) names.push_back(entry.path().filename().string());
    return names;
  }
  fs::path dir_ = fs::path(testing::TempDir()) / "owlet_onnx_test";
};

TEST_F(OnnxFiles, HoldGraphAndTensors) {
  ASSERT_TRUE(small_graph().write(dir_ / "a.onnx").ok());
  const testing_onnx::OnnxFile file = testing_onnx::read_onnx(dir_ / "a.onnx");
  EXPECT_EQ(file.ir_version, 8);
  EXPECT_EQ(file.opset, 17);
  ASSERT_EQ(file.nodes.size(), 3u);
  EXPECT_EQ(file.nodes[0].op, "MatMul");
  EXPECT_THAT(file.nodes[0].inputs, ElementsAre("x", "large"));
  EXPECT_THAT(file.nodes[1].attributes.at("perm"), ElementsAre(1, 0));
  EXPECT_THAT(file.nodes[2].outputs, ElementsAre("y"));
  EXPECT_THAT(file.inputs.front().dims, ElementsAre("batch", "500"));
  EXPECT_EQ(file.outputs.front().name, "y");
  EXPECT_THAT(file.tensors.at("large").dims, ElementsAre(500, 3));
  EXPECT_EQ(file.tensors.at("large").values<float>(), counting(1500));
  EXPECT_EQ(file.tensors.at("large").offset, -1);
  EXPECT_THAT(files(), ElementsAre("a.onnx"));
}

TEST_F(OnnxFiles, LargeTensorsGoToASecondFileOnPages) {
  ASSERT_TRUE(small_graph().write(dir_ / "a.onnx", 5000).ok());
  const testing_onnx::OnnxFile file = testing_onnx::read_onnx(dir_ / "a.onnx");
  EXPECT_EQ(file.tensors.at("large").offset, 0);
  EXPECT_EQ(file.tensors.at("second").offset, 8192);
  EXPECT_EQ(file.tensors.at("small").offset, -1);
  EXPECT_EQ(file.tensors.at("large").values<float>(), counting(1500));
  EXPECT_EQ(file.tensors.at("second").values<float>(), counting(900));
  EXPECT_EQ(file.tensors.at("small").values<float>(), counting(3));
  EXPECT_EQ(fs::file_size(dir_ / "a.onnx_data"), 8192u + 3600u);
  EXPECT_THAT(files(), testing::UnorderedElementsAre("a.onnx", "a.onnx_data"));
  // One that fits takes the place of both.
  ASSERT_TRUE(small_graph().write(dir_ / "a.onnx").ok());
  EXPECT_THAT(files(), ElementsAre("a.onnx"));
}

TEST_F(OnnxFiles, FailuresLeaveNothing) {
  OnnxWriter twice = small_graph();
  twice.add_node("Identity", {"y"}, {"product"});
  EXPECT_THAT(twice.write(dir_ / "a.onnx").error().message, testing::HasSubstr("two values of the graph are called 'product'"));
  OnnxWriter broken = small_graph();
  broken.add_tensor({"unreadable", OnnxType::kFloat, {600}, [](const OnnxPut&) -> Status { return make_error(ErrorCode::kIo, "gone"); }});
  EXPECT_EQ(broken.write(dir_ / "a.onnx").error().message, "gone");
  EXPECT_EQ(broken.write(dir_ / "a.onnx", 5000).error().message, "gone");
  EXPECT_FALSE(small_graph().write(dir_ / "nowhere" / "a.onnx").ok());
  EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace owlet
