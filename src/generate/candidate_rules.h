// Rules on the list of tokens that may still be drawn: each shrinks it and leaves at least one. They are equal to the logit
// warpers of the same names in transformers, and to llama.cpp's where transformers has none.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace owlet {

struct Candidate {
  int32_t id = 0;
  float score = 0;
};

// Rules may reorder the list; draw() puts it in order of ids.
using Candidates = std::vector<Candidate>;

// Best first, the lowest id first among equals: a total order, so every sort and selection has one result.
inline bool better(const Candidate& a, const Candidate& b) { return a.score != b.score ? a.score > b.score : a.id < b.id; }
float best_score(std::span<const Candidate> candidates);

void scale_by_temperature(Candidates& candidates, double temperature);
// Tokens whose score is within n standard deviations of the best (Tang et al. 2024); −infinity is no score.
void keep_top_n_sigma(Candidates& candidates, double n);
// The k best, and whatever is equal to the k-th (as in Hugging Face's).
void keep_top_k(Candidates& candidates, int64_t k);
// The most likely tokens until their probability reaches p (Holtzman et al. 2020), the lowest id first among
// equals.
void keep_top_p(Candidates& candidates, double p);
// The most likely of the 100 best until their share of these tokens' entropy passes h (Potraghloo et al. 2025).
void keep_top_h(Candidates& candidates, double h);
// Tokens at least p times as likely as the best (Nguyen et al. 2024).
void keep_min_p(Candidates& candidates, double p);
// The tokens whose surprise is nearest to the entropy until their probability reaches p (Meister et al. 2023).
void keep_typical_p(Candidates& candidates, double p);
// Tokens of at least this probability; and of at least min(epsilon, √epsilon · exp(−entropy)) (Hewitt et al. 2022).
void cut_epsilon(Candidates& candidates, double epsilon);
void cut_eta(Candidates& candidates, double epsilon);
// "Exclude top choices": of the tokens of at least this probability only the least likely stays, where there are two.
void exclude_top_choices(Candidates& candidates, double threshold);
// The tokens that surprise (−log2 p) at most this much (Basu et al. 2021).
void keep_unsurprising(Candidates& candidates, double surprise);
// The surprise of one of them, in bits.
double surprise_of(const Candidates& candidates, int32_t id);

}  // namespace owlet
