#include "apps/training_log.h"

#include <chrono>

#include "core/json.h"

namespace owlet {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace

Result<TrainingLog> TrainingLog::open(const std::filesystem::path& run, double peak_flops) {
  std::FILE* lines = std::fopen((run / "log.jsonl").c_str(), "a");
  if (!lines) return make_error(ErrorCode::kIo, "cannot write {}", (run / "log.jsonl").string());
  std::unique_ptr<std::FILE, Close> kept(lines);
  OWLET_ASSIGN(EventFile events, EventFile::create(run, now()));
  return TrainingLog(kept.release(), std::move(events), peak_flops);
}

void TrainingLog::write_line(const Json& line) {
  const std::string text = dump_json(line) + "\n";
  const bool written = std::fwrite(text.data(), 1, text.size(), lines_.get()) == text.size() && std::fflush(lines_.get()) == 0;
  if (!written) status_ = make_error(ErrorCode::kIo, "log.jsonl could not be written to its end");
}

void TrainingLog::write(const Json& line, int64_t step, std::span<const std::pair<std::string, double>> scalars) {
  write_line(line);
  keep(events_.add(now(), step, scalars));
}

void TrainingLog::keep(Status status) {
  if (!status.ok()) status_ = std::move(status);
}

void TrainingLog::add(const StepReport& r) {
  const double tokens = static_cast<double>(r.tokens) / r.seconds, flops = r.flops / r.seconds;
  const std::pair<std::string, double> scalars[] = {{"train/loss", r.loss}, {"train/learning_rate", r.lr}, {"train/gradient_norm", r.grad_norm},
                                                    {"speed/tokens_per_second", tokens}, {"speed/tflops", 1e-12 * flops},
                                                    {"speed/share_of_peak", flops / peak_flops_}};
  write({{"step", r.step}, {"steps", r.steps}, {"loss", r.loss}, {"grad_norm", r.grad_norm}, {"lr", r.lr}, {"tokens", r.tokens}, {"seconds", r.seconds},
         {"gflops", 1e-9 * flops}}, r.step, scalars);
}

void TrainingLog::add(const ValidationReport& v) {
  const std::pair<std::string, double> scalars[] = {{"valid/loss", v.loss}, {"valid/bits_per_byte", v.bits_per_byte}};
  write({{"step", v.step}, {"valid_loss", v.loss}, {"valid_bpb", v.bits_per_byte}}, v.step, scalars);
}

void TrainingLog::add_answer(int64_t step, const std::string& question, const std::string& answer) {
  write_line({{"step", step}, {"question", question}, {"answer", answer}});
  keep(events_.add_text(now(), step, "answers/" + question, answer));
}

void TrainingLog::add_choices(int64_t step, const std::string& name, double accuracy) {
  const std::pair<std::string, double> scalars[] = {{"choices/" + name, accuracy}};
  write({{"step", step}, {"choices", name}, {"accuracy", accuracy}}, step, scalars);
}

}  // namespace owlet
