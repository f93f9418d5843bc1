#include "apps/growth.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "apps/line_chart.h"
#include "apps/made_up_run.h"
#include "apps/median.h"
#include "core/memory.h"
#include "kernels/profiled_ops.h"

namespace owlet {
namespace {

constexpr int64_t kShortest = 64;

double attention_seconds(const ProfiledOps& ops) {
  double seconds = 0;
  for (const ProfiledOps::Line& line : ops.lines()) {
    if (line.name.starts_with("attention")) seconds += line.seconds;
  }
  return seconds;
}

GrowthPoint measure(ProfiledOps& ops, const Model& model, int64_t tokens, int repeats) {
  GrowthPoint point{.tokens = tokens};
  release_unused_memory();  // what shorter texts left would be taken again, and not be seen
  const int64_t before = resident_bytes(), lengths[1] = {tokens + 1};
  MadeUpRun run({ops}, model, lengths, tokens);
  point.kept_mb = static_cast<double>(resident_bytes() - before) / 1e6;
  std::vector<double> prompt, attention, answer;
  for (int i = 0; i <= repeats; ++i) {  // the first warms up
    ops.clear();
    const double seconds = run.step(1, 0, tokens), in_attention = attention_seconds(ops);
    const double one = run.step(1, tokens, 1);
    if (i == 0) continue;
    prompt.push_back(1e3 * seconds / static_cast<double>(tokens));
    attention.push_back(1e3 * in_attention / static_cast<double>(tokens));
    answer.push_back(1e3 * one);
  }
  point.prompt_ms = median(prompt);
  point.prompt_attention_ms = median(attention);
  point.answer_ms = median(answer);
  return point;
}

// Of a chart that begins at nothing, so that what is flat looks flat.
Curve origin() { return {"", {{0, 0}}, true, 0}; }

Curve curve(std::string name, size_t colour, const std::vector<GrowthPoint>& points, const std::function<double(const GrowthPoint&)>& value) {
  Curve out{std::move(name), {}, false, colour};
  for (const GrowthPoint& p : points) out.points.emplace_back(static_cast<double>(p.tokens), value(p));
  return out;
}

void put_below(Drawing& drawing, Drawing other) {
  for (auto& item : other.items) {
    if (auto* line = std::get_if<Drawing::Line>(&item)) {
      for (Point& p : line->points) p.second += drawing.height;
    } else {
      std::get<Drawing::Text>(item).at.second += drawing.height;
    }
    drawing.items.push_back(std::move(item));
  }
  drawing.width = std::max(drawing.width, other.width);
  drawing.height += other.height;
}

}  // namespace

std::vector<GrowthPoint> measure_growth(Context context, const Model& model, int64_t longest, int repeats) {
  ProfiledOps ops(context.ops);
  std::vector<GrowthPoint> points;
  for (int64_t tokens = kShortest; tokens <= longest; tokens *= 2) points.push_back(measure(ops, model, tokens, repeats));
  return points;
}

Drawing draw_growth(const std::vector<GrowthPoint>& points) {
  Drawing out = line_chart("time of a prompt", "tokens of the prompt", "ms a token",
                           {curve("all", 0, points, [](const GrowthPoint& p) { return p.prompt_ms; }), origin(),
                            curve("without attention", 1, points, [](const GrowthPoint& p) { return p.prompt_ms - p.prompt_attention_ms; })});
  put_below(out, line_chart("time of an answer", "tokens before it", "ms a token",
                            {curve("one token", 0, points, [](const GrowthPoint& p) { return p.answer_ms; }), origin()}));
  put_below(out, line_chart("memory", "tokens kept", "MB", {curve("keys and values", 0, points, [](const GrowthPoint& p) { return p.kept_mb; }), origin()}));
  return out;
}

}  // namespace owlet
