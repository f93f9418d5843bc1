// Our encoders beside llama.cpp's: mean squared errors of the same rows, type by type. docs/quantization.md says how to build it.
//   quantization_error               random matrices
//   quantization_error F32.gguf      the matrices of a file, too
#include <fmt/format.h>
#include <ggml.h>

#include <chrono>
#include <cmath>
#include <vector>

#include "core/random.h"
#include "io/gguf.h"
#include "quant/blocks.h"

using namespace owlet;

namespace {

struct Matrix {
  int64_t cols = 0;
  std::vector<float> numbers;     // whole rows
  std::vector<float> importance;  // [cols]
};

struct Case {
  DType ours;
  ggml_type theirs;
};
constexpr Case kCases[] = {{DType::kQ4_0, GGML_TYPE_Q4_0}, {DType::kQ4_1, GGML_TYPE_Q4_1}, {DType::kQ5_0, GGML_TYPE_Q5_0},
                           {DType::kQ5_1, GGML_TYPE_Q5_1}, {DType::kQ8_0, GGML_TYPE_Q8_0}, {DType::kIQ4_NL, GGML_TYPE_IQ4_NL},
                           {DType::kQ4_K, GGML_TYPE_Q4_K}, {DType::kQ5_K, GGML_TYPE_Q5_K}, {DType::kQ6_K, GGML_TYPE_Q6_K}};

// Normal logarithms: some columns count a hundred times what others do.
std::vector<float> random_importance(int64_t cols) {
  Random random{.seed = 5};
  std::vector<float> importance(static_cast<size_t>(cols));
  for (float& x : importance) x = static_cast<float>(std::exp(1.2 * random.normal()));
  return importance;
}

template <class Draw>
Matrix random_matrix(Draw draw) {
  Random random{.seed = 3};
  Matrix m{2048, std::vector<float>(2048 * 128), random_importance(2048)};
  for (float& x : m.numbers) x = static_cast<float>(0.02 * draw(random));
  return m;
}

// Student's t with four degrees of freedom; Laplace.
double student(Random& random) {
  double squares = 0;
  for (int i = 0; i < 4; ++i) {
    const double z = random.normal();
    squares += z * z;
  }
  return random.normal() / std::sqrt(squares / 4);
}
double laplace(Random& random) {
  const double u = random.uniform() - 0.5;
  return std::copysign(std::log(1 - 2 * std::fabs(u) + 1e-12), u);
}

struct Sums {
  double error = 0, weighted = 0, seconds = 0;
  int64_t n = 0;
};

// Σ error² of rows as `encode` wrote them, and Σ importance · error².
template <class Encode>
void measure(const Matrix& m, DType type, const Encode& encode, Sums& sums, bool weighted) {
  const int64_t rows = static_cast<int64_t>(m.numbers.size()) / m.cols;
  std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(type, m.cols) * rows));
  const auto begin = std::chrono::steady_clock::now();
  encode(m.numbers.data(), bytes.data(), rows);
  sums.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::vector<float> back(static_cast<size_t>(m.cols));
  for (int64_t r = 0; r < rows; ++r) {
    dequantize_row(type, bytes.data() + r * row_bytes(type, m.cols), back.data(), m.cols);
    for (int64_t i = 0; i < m.cols; ++i) {
      const double e = static_cast<double>(back[static_cast<size_t>(i)]) - m.numbers[static_cast<size_t>(r * m.cols + i)];
      (weighted ? sums.weighted : sums.error) += (weighted ? m.importance[static_cast<size_t>(i)] : 1.0) * e * e;
    }
  }
  sums.n += rows * m.cols;
}

void compare(const std::string& name, const std::vector<Matrix>& matrices) {
  double squares = 0, weighted_squares = 0;
  for (const Matrix& m : matrices) {
    for (size_t i = 0; i < m.numbers.size(); ++i) {
      const double x = m.numbers[i];
      squares += x * x;
      weighted_squares += x * x * m.importance[i % static_cast<size_t>(m.cols)];
    }
  }
  fmt::print("\n{}\n{:<8}{:>12}{:>12}{:>9}{:>14}{:>12}{:>9}{:>10}{:>9}\n", name, "", "ours", "llama.cpp", "ratio", "weighted ours", "llama.cpp",
             "ratio", "ns/weight", "theirs");
  for (const Case& c : kCases) {
    Sums ours, theirs;
    for (const Matrix& m : matrices) {
      if (m.cols % dtype_info(c.ours).block_size != 0) continue;
      for (const float* importance : {static_cast<const float*>(nullptr), m.importance.data()}) {
        const bool weighted = importance != nullptr;
        measure(m, c.ours, [&](const float* x, std::byte* out, int64_t rows) {
          for (int64_t r = 0; r < rows; ++r) {
            quantize_row(c.ours, x + r * m.cols, out + r * row_bytes(c.ours, m.cols), m.cols, importance);
          }
        }, ours, weighted);
        measure(m, c.ours, [&](const float* x, std::byte* out, int64_t rows) {
          ggml_quantize_chunk(c.theirs, x, out, 0, rows, m.cols, importance);
        }, theirs, weighted);
      }
    }
    if (ours.n == 0) continue;
    fmt::print("{:<8}{:>12.4e}{:>12.4e}{:>9.4f}{:>14.4e}{:>12.4e}{:>9.4f}{:>10.1f}{:>9.1f}\n", to_string(c.ours), ours.error / squares,
               theirs.error / squares, ours.error / theirs.error, ours.weighted / weighted_squares, theirs.weighted / weighted_squares,
               ours.weighted / theirs.weighted, 1e9 * ours.seconds / static_cast<double>(ours.n), 1e9 * theirs.seconds / static_cast<double>(theirs.n));
  }
}

Status compare_file(const char* path) {
  OWLET_ASSIGN(const GgufFile file, GgufFile::open(path));
  std::vector<Matrix> matrices;
  for (const std::string& name : file.tensor_names()) {
    OWLET_ASSIGN(const Tensor tensor, file.tensor(name));
    if (tensor.shape().rank() != 2) continue;
    Matrix m{tensor.view().cols(), std::vector<float>(static_cast<size_t>(tensor.numel())), random_importance(tensor.view().cols())};
    for (int64_t r = 0; r < tensor.view().rows(); ++r) {
      dequantize_row(tensor.dtype(), tensor.view().row_range(r, r + 1).data, m.numbers.data() + r * m.cols, m.cols);
    }
    matrices.push_back(std::move(m));
  }
  compare(path, matrices);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  fmt::print("Σ error² / Σ x², and the same with a weight for every column; ratio below 1: ours is nearer\n");
  compare("normal", {random_matrix([](Random& random) { return random.normal(); })});
  compare("Laplace", {random_matrix(laplace)});
  compare("Student's t, 4 degrees of freedom", {random_matrix(student)});
  for (int i = 1; i < argc; ++i) {
    const Status status = compare_file(argv[i]);
    if (!status.ok()) fmt::print("{}\n", status.error().to_string());
  }
}
