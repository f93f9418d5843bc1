// Plain text for pretraining: what is worth reading of Simple English Wikipedia and of the picture stories,
// and the same facts that the chats ask about, told as sentences.
#pragma once

#include <filesystem>

#include "core/file.h"
#include "kinds.h"

namespace owlet::recipe {

// {"text"} lines. Articles on words, countries, capitals and elements come always, other articles rarely,
// those on sportsmen, films and small towns hardly ever, stubs and cruel matters never; of each only the
// beginning, which is its plainest part.
Status write_articles(const World& world, const std::filesystem::path& wiki, Random random, AtomicFile& to);
// The picture stories, not the old books beside them: short, easy and of today.
Status write_picture_stories(const std::filesystem::path& stories, AtomicFile& to);
// A few facts at a time, as a reader would meet them in a book.
Status write_fact_texts(const World& world, Random random, AtomicFile& to);

}  // namespace owlet::recipe
