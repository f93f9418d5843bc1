// Errors as values. A function that can fail for a reason outside our control (a file, a request, the network,
// a user's setting) returns Status or Result<T>; asserts are for our own invariants only.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace owlet {

enum class ErrorCode {
  kInvalidArgument,  // the caller asked for something that makes no sense
  kNotFound,         // a file, a name or a tensor that is not there
  kCorrupt,          // bytes that do not follow their format
  kUnsupported,      // well formed, but beyond what this program does
  kIo,               // the operating system said no
  kTooLarge,         // would not fit in memory, in the context, in a limit
  kCancelled,        // the user or the client went away
};

// What went wrong, where, and what to do about it. `message` names the thing; `hint` may be empty.
struct Error {
  ErrorCode code = ErrorCode::kInvalidArgument;
  std::string message;
  std::string hint;

  // "message" or "message\n  hint": the form that people see in a terminal.
  std::string to_string() const { return hint.empty() ? message : message + "\n  " + hint; }
  // The same error, said to have happened in `where` ("config.json: …").
  Error in(std::string_view where) && {
    message = fmt::format("{}: {}", where, message);
    return std::move(*this);
  }
};

// Error with a formatted message and no hint.
template <class... Args>
Error make_error(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return Error{code, fmt::format(format, std::forward<Args>(args)...), {}};
}

// The same for bytes that do not follow their format.
template <class... Args>
Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(ErrorCode::kCorrupt, format, std::forward<Args>(args)...);
}

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose, `return Error{…};`
  static Status ok_status() { return {}; }

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : value_(std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return value_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return std::get<1>(value_); }
  Error&& error() && { return std::get<1>(std::move(value_)); }
  T& value() & { return std::get<0>(value_); }
  const T& value() const& { return std::get<0>(value_); }
  T&& value() && { return std::get<0>(std::move(value_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Status status() const { return ok() ? Status() : Status(error()); }

 private:
  std::variant<T, Error> value_;
};

#define OWLET_CONCAT_INNER(a, b) a##b
#define OWLET_CONCAT(a, b) OWLET_CONCAT_INNER(a, b)
// Returns the error of a Status or Result from the enclosing function, else goes on.
#define OWLET_TRY(expression)                                                  \
  do {                                                                         \
    if (auto owlet_status = (expression); !owlet_status.ok())                  \
      return std::move(owlet_status).error();                                  \
  } while (false)
// OWLET_ASSIGN(auto x, f()): x takes the value, or the error is returned from the enclosing function.
#define OWLET_ASSIGN(target, expression)                                       \
  auto OWLET_CONCAT(owlet_result_, __LINE__) = (expression);                   \
  if (!OWLET_CONCAT(owlet_result_, __LINE__).ok())                             \
    return std::move(OWLET_CONCAT(owlet_result_, __LINE__)).error();           \
  target = std::move(OWLET_CONCAT(owlet_result_, __LINE__)).value()

// An invariant of our own. Violations are bugs: the program says which and stops, in release builds too.
#define OWLET_CHECK(condition, ...)                                            \
  do {                                                                         \
    if (!(condition)) [[unlikely]]                                             \
      ::owlet::check_failed(__FILE__, __LINE__, #condition, ::fmt::format("" __VA_ARGS__)); \
  } while (false)

[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& message);

}  // namespace owlet
