// Which columns of a matrix matter: the mean square of what each is multiplied with, over some text. An importance matrix is a GGUF
// in llama.cpp's form: general.type = "imatrix", and for each linear layer NAME (as GGUF files of models call it) the tensors
//   NAME.in_sum2  float32 [I]  Σ x² of every column
//   NAME.counts   float32 [1]  how many rows were summed
// with imatrix.datasets, imatrix.chunk_count and imatrix.chunk_size for people to read.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "model/model.h"

namespace owlet {

// Sums squares of what a model's linear layers are given: one of these goes into the Context that the model runs in.
class ImportanceCollector : public LinearObserver {
 public:
  explicit ImportanceCollector(const Model& model);
  void observe(const Tensor& weight_OI, TensorView x_NI) override;
  // `chunks` pieces of text of `chunk_size` tokens went through the model.
  Status write(const std::filesystem::path& path, const std::vector<std::string>& datasets, int64_t chunks, int64_t chunk_size) const;

 private:
  struct Sums {
    std::string name;
    std::vector<double> squares_I;
    int64_t rows = 0;
  };
  std::map<const void*, Sums> by_weight_;  // by where the weight lies
  std::vector<float> row_;
};

class Importance {
 public:
  // Refuses what is no importance matrix, numbers that are negative or not finite, and matrices of several experts.
  static Result<Importance> load(const std::filesystem::path& path);
  // Weights of a tensor's columns by its name in GGUF files, their mean 1; null where the file does not know it.
  const float* find(const std::string& gguf_name) const;
  // An error where it speaks of other columns than the model has, or of no tensor of it.
  Status check(const Model& model) const;

 private:
  std::map<std::string, std::vector<float>> columns_;
};

}  // namespace owlet
