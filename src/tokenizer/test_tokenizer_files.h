// For tests: tokenizer.json of every kind.
#pragma once

#include <string>
#include <vector>

namespace owlet {

// One for each kind of model, with every kind of stage that a file can ask for around it.
inline std::vector<std::string> every_kind_of_tokenizer() {
  constexpr const char* kStages = R"("added_tokens":[{"id":0,"content":"<s>","special":true,"lstrip":false,"rstrip":true,"normalized":false,"single_word":false}],
"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"Regex":"a{2,}"},"content":"a"},{"type":"Prepend","prepend":"x"}]},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{L}+|\\s+"},"behavior":"Isolated","invert":false},{"type":"Digits","individual_digits":true}]},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]}}},
"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},{"type":"Fuse"}]},)";
  constexpr const char* kModels[] = {
    R"("model":{"type":"BPE","unk_token":"<s>","fuse_unk":true,"byte_fallback":false,"vocab":{"<s>":0,"a":1,"b":2,"ab":3," ":4,"abab":5},"merges":["a b",["ab","ab"]]})",
    R"("model":{"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[["<s>",0],["a",-1.5],["b",-2],["ab",-2.5],[" ",-3]]})",
    R"("model":{"type":"WordPiece","unk_token":"<s>","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"<s>":0,"a":1,"##b":2,"ab":3}})",
    R"("model":{"type":"WordLevel","unk_token":"<s>","vocab":{"<s>":0,"a":1,"ab":2}})"};
  std::vector<std::string> files;
  for (const char* model : kModels) files.push_back(std::string("{\"version\":\"1.0\",") + kStages + model + "}");
  return files;
}

}  // namespace owlet
