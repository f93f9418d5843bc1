// Ops with a clock: which of them the time goes to, and what they have to show for it.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "kernels/machine_limits.h"
#include "kernels/ops.h"

namespace owlet {

// What an op must at least move and compute: the bytes of its tensors, each once, and multiplications and additions of products and
// attention, in float32, in bfloat16 or, with weights in blocks, in integers.
struct OpWork {
  double bytes = 0;
  double flops = 0;
  double bf16_flops = 0;
  double int_ops = 0;
  double operations() const { return flops + bf16_flops + int_ops; }
  OpWork& operator+=(const OpWork& other);
};

// What the work takes at least on a machine with these limits, in seconds: everything is moved, or computed, at its best rate.
double least_seconds(const OpWork& work, const MachineLimits& limits);

// Computes with other ops, which outlive it, and adds up what each takes. Products stand under the type of their weights.
class ProfiledOps final : public Ops {
 public:
  struct Line {
    std::string name;
    int64_t calls = 0;
    double seconds = 0;
    OpWork work;
  };
  struct Event {
    const std::string* name;  // lives as long as the ops
    double begin = 0;         // seconds since these ops were made
    double seconds = 0;
    OpWork work;
  };
  // keeps_events: every call is kept, for a trace.
  explicit ProfiledOps(Ops& inner, bool keeps_events = false) : inner_(inner), keeps_events_(keeps_events) {}
  // By time, the most first.
  std::vector<Line> lines() const;
  const std::vector<Event>& events() const { return events_; }
  double seconds_since_start() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  // Counts from nothing again; events stay.
  void clear();

  std::string_view name() const override { return inner_.name(); }
  void embedding(TensorView out, TensorView table, std::span<const int32_t> ids) override;
  void embedding_backward(TensorView dtable, TensorView dout, std::span<const int32_t> ids) override;
  void rms_norm(TensorView out, TensorView rstd, TensorView x, TensorView weight, double eps) override;
  void rms_norm_backward(TensorView dx, Into into, TensorView dweight, TensorView dout, TensorView x, TensorView weight,
                         TensorView rstd) override;
  void linear(TensorView out, Into into, TensorView x, TensorView weight, Precision precision) override;
  void linears(std::span<const Product> products, TensorView x, Precision precision) override;
  int64_t turned_bytes(TensorView weight, Precision precision) const override { return inner_.turned_bytes(weight, precision); }
  TensorView turn(void* to, TensorView weight) override { return inner_.turn(to, weight); }
  void linear_backward_input(TensorView dx, Into into, TensorView dout, TensorView weight, Precision precision) override;
  void linear_backward_weight(TensorView dweight, TensorView dout, TensorView x, Precision precision) override;
  void add_bias(TensorView x, TensorView bias) override;
  void bias_backward(TensorView dbias, TensorView dout) override;
  void scale_columns(TensorView out, TensorView x, TensorView scale) override;
  void scale_columns_backward(TensorView dscale, TensorView dout, TensorView x) override;
  void rope(TensorView x, int64_t head_dim, TensorView cos_sin, std::span<const int32_t> positions, bool interleaved) override;
  void rope_backward(TensorView dx, int64_t head_dim, TensorView cos_sin, std::span<const int32_t> positions,
                     bool interleaved) override;
  void attention(TensorView out, TensorView lse, TensorView q, TensorView k, TensorView v, std::span<const int32_t> first_row,
                 const AttentionShape& shape) override;
  void attention_backward(TensorView dq, TensorView dk, TensorView dv, TensorView dout, TensorView q, TensorView k, TensorView v,
                          TensorView out, TensorView lse, std::span<const int32_t> first_row,
                          const AttentionShape& shape) override;
  void kv_store(const KvPages& pages, TensorView k, TensorView v, std::span<const SequenceRows> sequences) override;
  void attention_paged(TensorView out, TensorView q, const KvPages& pages, std::span<const SequenceRows> sequences,
                       const AttentionShape& shape) override;
  void glu(TensorView out, TensorView gate, TensorView up, Activation activation) override;
  void glu_backward(TensorView dgate, TensorView dup, TensorView dout, TensorView gate, TensorView up,
                    Activation activation) override;
  void soft_cap(TensorView x, double cap) override;
  void soft_cap_backward(TensorView dx, TensorView capped, double cap) override;
  void cross_entropy(TensorView loss, TensorView logits, std::span<const int32_t> targets, double dloss, double z_loss) override;
  void copy(TensorView out, TensorView x) override;
  void add_scaled(TensorView out, double a, TensorView x, double b, TensorView y) override;
  void dropout(TensorView out, Into into, TensorView x, double p, const Draw& draw) override;
  void adamw(TensorView weight, TensorView gradient, TensorView m, TensorView v, const AdamWStep& step) override;
  void decay_and_add(TensorView weight, double keep, double factor, TensorView x, const Draw& rounding) override;
  double sum_of_squares(TensorView x) override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Timer {
    Timer(ProfiledOps& of, const char* op, const OpWork& what) : Timer(of, std::string(op), what) {}
    Timer(ProfiledOps& of, const std::string& op, const OpWork& what)
        : ops(of), line(*of.lines_.try_emplace(op).first), work(what), begin(Clock::now()) {}
    ~Timer();
    ProfiledOps& ops;
    std::pair<const std::string, Line>& line;
    OpWork work;
    Clock::time_point begin;
  };

  Ops& inner_;
  bool keeps_events_;
  Clock::time_point start_ = Clock::now();
  std::map<std::string, Line> lines_;
  std::vector<Event> events_;
};

}  // namespace owlet
