#include "tokenizer/regex_engine.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace owlet::regex_engine {
namespace {

constexpr uint32_t kMatchLimit = 5'000'000;
constexpr uint32_t kDepthLimit = 100'000;
constexpr uint32_t kHeapLimitKb = 32 << 10;

pcre2_match_context* limits() {
  static const std::shared_ptr<pcre2_match_context> context = [] {
    pcre2_match_context* limits = pcre2_match_context_create(nullptr);
    pcre2_set_match_limit(limits, kMatchLimit);
    pcre2_set_depth_limit(limits, kDepthLimit);
    pcre2_set_heap_limit(limits, kHeapLimitKb);
    return std::shared_ptr<pcre2_match_context>(limits, pcre2_match_context_free);
  }();
  return context.get();
}

}  // namespace

Result<std::shared_ptr<const void>> compile(std::string_view pattern) {
  int error = 0;
  PCRE2_SIZE where = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP, &error, &where, nullptr);
  if (!code) {
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(error, text, sizeof text);
    return make_error(ErrorCode::kUnsupported, "{} at {}", reinterpret_cast<const char*>(text), where);
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where there is none, the interpreter does it
  return std::shared_ptr<const void>(code, [](const void* p) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p))); });
}

std::shared_ptr<void> search(const void* code, std::string_view) {
  return std::shared_ptr<void>(pcre2_match_data_create_from_pattern(static_cast<const pcre2_code*>(code), nullptr),
                               [](void* p) { pcre2_match_data_free(static_cast<pcre2_match_data*>(p)); });
}

bool find(const void* code, void* search, std::string_view text, size_t from, RegexMatch& match) {
  auto* data = static_cast<pcre2_match_data*>(search);
  const int found = pcre2_match(static_cast<const pcre2_code*>(code), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                PCRE2_NO_UTF_CHECK, data, limits());
  if (found < 0) return false;
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
  match = {ends[0], ends[1]};
  return true;
}

}  // namespace owlet::regex_engine
