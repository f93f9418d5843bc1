// golden [DIR]: holds this program against numbers that others computed, one line a file. Folders and files are found, not listed.
#include <cstdlib>

#include "report.h"

namespace owlet::golden {
namespace {

int run(int argc, char** argv) {
  const std::filesystem::path root = argc > 1 ? argv[1] : "../shared/golden";
  if (!std::filesystem::is_directory(root)) {
    fmt::print("skip {}: no such folder\n0 passed, 0 failed\n", root.string());
    return 0;
  }
  ThreadPool pool;
  auto ops = make_cpu_ops(pool);
  if (!ops.ok()) {
    fmt::print("FAIL {}\n0 passed, 1 failed\n", ops.error().to_string());
    return 1;
  }
  const Context context{**ops};
  Report report(root);
  check_hf(root, context, report);
  check_gguf(root, context, report);
  check_train(root, context, report);
  check_muon(root, context, report);
  check_choices(root, context, report);
  check_tokenizers(root, report);
  check_vocabularies(root, report);
  check_templates(root, report);
  check_homemade(root, context, report);
  check_sampling(root, report);
  check_bitsandbytes(root, context, report);
  check_peft(root, context, report);
  fmt::print("{} passed, {} failed, {} skipped\n", report.passed(), report.failed(), report.skipped());
  return report.failed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace owlet::golden

int main(int argc, char** argv) { return owlet::golden::run(argc, argv); }
