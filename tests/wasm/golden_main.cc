// golden DIR: of the numbers that others computed, those that an engine in a browser must agree with too. Run by node.
#include "report.h"

namespace owlet::golden {
namespace {

int run(const std::filesystem::path& root) {
  ThreadPool pool(1);
  const auto ops = make_cpu_ops(pool).value();
  const Context context{*ops};
  Report report(root);
  check_hf(root, context, report);
  check_gguf(root, context, report);
  check_tokenizers(root, report);
  check_templates(root, report);
  check_sampling(root, report);
  fmt::print("{} passed, {} failed, {} skipped\n", report.passed(), report.failed(), report.skipped());
  return report.failed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace owlet::golden

int main(int argc, char** argv) { return argc > 1 ? owlet::golden::run(argv[1]) : 2; }
