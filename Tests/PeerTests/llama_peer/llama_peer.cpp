// What tests ask of llama.cpp, as one small program:
//
//   llama-peer tokenize MODEL [--add-special] [--parse-special]   texts on stdin, each ended by a zero byte;
//                                                                 a line of ids for each on stdout
//   llama-peer quantize IN OUT TYPE [--pure]                      TYPE: Q8_0, Q4_K, …
//   llama-peer generate MODEL COUNT ID…                           greedy continuation, a line of ids on stdout, and
//                                                                 on each further line: best logit, second best, id
//                                                                 of the second
//   llama-peer states MODEL OUT ID…                               one batch: OUT receives, as little-endian F32,
//                                                                 l_out-0 … l_out-(L-1), result_norm, logits, each
//                                                                 [tokens, width]
//
// Keys and values are kept in F32 and flash attention is off: what remains of rounding is llama.cpp's products.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "ggml.h"
#include "llama.h"

static void fail(const std::string & why) {
    std::fprintf(stderr, "llama-peer: %s\n", why.c_str());
    std::exit(1);
}

static llama_model * load(const char * path, bool vocabulary_only) {
    llama_model_params params = llama_model_default_params();
    params.vocab_only = vocabulary_only;
    params.use_extra_bufts = false;
    params.n_gpu_layers = 0;
    llama_model * model = llama_model_load_from_file(path, params);
    if (!model) fail(std::string("cannot load ") + path);
    return model;
}

// Rows of floats by the name of the tensor that held them.
using Captured = std::map<std::string, std::vector<float>>;

// Called before (ask) and after a tensor is computed.
static bool keep(ggml_tensor * tensor, bool ask, void * user) {
    const std::string name = tensor->name;
    const bool wanted = name.rfind("l_out-", 0) == 0 || name == "result_norm" || name == "result_output";
    if (ask || !wanted) return wanted || !ask;
    std::vector<float> values(ggml_nelements(tensor));
    ggml_backend_tensor_get(tensor, values.data(), 0, values.size() * sizeof(float));
    (*static_cast<Captured *>(user))[name] = std::move(values);
    return true;
}

static llama_context * context(llama_model * model, uint32_t size, Captured * captured) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx = size;
    params.n_batch = size;
    params.n_ubatch = size;
    // Its threads wait by spinning, which a busy machine answers with hours.
    params.n_threads = params.n_threads_batch = 1;
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    if (captured) {
        params.cb_eval = keep;
        params.cb_eval_user_data = captured;
    }
    llama_context * made = llama_init_from_model(model, params);
    if (!made) fail("no context");
    return made;
}

// All logits of a run of tokens that follow what the context has read.
static void decode(llama_context * ctx, const std::vector<llama_token> & tokens, int start, bool all) {
    llama_batch batch = llama_batch_init(int32_t(tokens.size()), 0, 1);
    for (size_t i = 0; i < tokens.size(); i++) {
        batch.token[i] = tokens[i];
        batch.pos[i] = start + int(i);
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = all || i + 1 == tokens.size();
    }
    batch.n_tokens = int32_t(tokens.size());
    if (llama_decode(ctx, batch) != 0) fail("decoding failed");
    llama_batch_free(batch);
}

static std::vector<llama_token> ids(int argc, char ** argv, int from) {
    std::vector<llama_token> result;
    for (int i = from; i < argc; i++) result.push_back(std::atoi(argv[i]));
    if (result.empty()) fail("no tokens");
    return result;
}

static void tokenize(int argc, char ** argv) {
    bool add = false, parse = false;
    for (int i = 3; i < argc; i++) {
        add |= !std::strcmp(argv[i], "--add-special");
        parse |= !std::strcmp(argv[i], "--parse-special");
    }
    llama_model * model = load(argv[2], true);
    const llama_vocab * vocabulary = llama_model_get_vocab(model);
    std::string input((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
    for (size_t at = 0; at < input.size();) {
        const size_t end = input.find('\0', at);
        if (end == std::string::npos) fail("the last text has no end");
        std::vector<llama_token> tokens(end - at + 16);
        const int count = llama_tokenize(
            vocabulary, input.data() + at, int32_t(end - at), tokens.data(), int32_t(tokens.size()), add, parse);
        if (count < 0) fail("more tokens than bytes");
        for (int i = 0; i < count; i++) std::printf("%s%d", i ? " " : "", tokens[i]);
        std::printf("\n");
        at = end + 1;
    }
}

static void quantize(int argc, char ** argv) {
    llama_model_quantize_params params = llama_model_quantize_default_params();
    const std::string type = argv[4];
    const std::map<std::string, std::pair<llama_ftype, ggml_type>> types = {
        {"F16", {LLAMA_FTYPE_MOSTLY_F16, GGML_TYPE_F16}},       {"BF16", {LLAMA_FTYPE_MOSTLY_BF16, GGML_TYPE_BF16}},
        {"Q8_0", {LLAMA_FTYPE_MOSTLY_Q8_0, GGML_TYPE_Q8_0}},    {"Q4_0", {LLAMA_FTYPE_MOSTLY_Q4_0, GGML_TYPE_Q4_0}},
        {"Q4_1", {LLAMA_FTYPE_MOSTLY_Q4_1, GGML_TYPE_Q4_1}},    {"Q5_0", {LLAMA_FTYPE_MOSTLY_Q5_0, GGML_TYPE_Q5_0}},
        {"Q5_1", {LLAMA_FTYPE_MOSTLY_Q5_1, GGML_TYPE_Q5_1}},    {"Q2_K", {LLAMA_FTYPE_MOSTLY_Q2_K, GGML_TYPE_Q2_K}},
        {"Q3_K", {LLAMA_FTYPE_MOSTLY_Q3_K_M, GGML_TYPE_Q3_K}},  {"Q4_K", {LLAMA_FTYPE_MOSTLY_Q4_K_M, GGML_TYPE_Q4_K}},
        {"Q5_K", {LLAMA_FTYPE_MOSTLY_Q5_K_M, GGML_TYPE_Q5_K}},  {"Q6_K", {LLAMA_FTYPE_MOSTLY_Q6_K, GGML_TYPE_Q6_K}},
        {"IQ4_NL", {LLAMA_FTYPE_MOSTLY_IQ4_NL, GGML_TYPE_IQ4_NL}},
        {"IQ4_XS", {LLAMA_FTYPE_MOSTLY_IQ4_XS, GGML_TYPE_IQ4_XS}},
    };
    const auto found = types.find(type);
    if (found == types.end()) fail("no type " + type);
    params.nthread = 2;
    params.ftype = found->second.first;
    if (argc > 5 && !std::strcmp(argv[5], "--pure")) {
        params.pure = true;
        params.token_embedding_type = params.output_tensor_type = found->second.second;
    }
    if (llama_model_quantize(argv[2], argv[3], &params) != 0) fail("quantizing failed");
}

static void generate(int argc, char ** argv) {
    const int count = std::atoi(argv[3]);
    std::vector<llama_token> tokens = ids(argc, argv, 4);
    llama_model * model = load(argv[2], false);
    const int width = llama_vocab_n_tokens(llama_model_get_vocab(model));
    llama_context * ctx = context(model, uint32_t(tokens.size() + count + 8), nullptr);
    int start = 0;
    std::string lines;
    for (int step = 0; step < count; step++) {
        decode(ctx, tokens, start, false);
        start += int(tokens.size());
        const float * logits = llama_get_logits_ith(ctx, -1);
        int best = 0, second = -1;
        for (int i = 1; i < width; i++) {
            if (logits[i] > logits[best]) {
                second = best;
                best = i;
            } else if (second < 0 || logits[i] > logits[second]) {
                second = i;
            }
        }
        std::printf("%s%d", step ? " " : "", best);
        char line[128];
        std::snprintf(line, sizeof line, "%.9g %.9g %d\n", logits[best], logits[second], second);
        lines += line;
        tokens = {best};
    }
    std::printf("\n%s", lines.c_str());
}

static void states(int argc, char ** argv) {
    const std::vector<llama_token> tokens = ids(argc, argv, 4);
    llama_model * model = load(argv[2], false);
    Captured captured;
    llama_context * ctx = context(model, uint32_t(tokens.size() + 8), &captured);
    captured.clear();
    decode(ctx, tokens, 0, true);
    std::ofstream out(argv[3], std::ios::binary);
    std::vector<std::string> names;
    for (int i = 0; i < llama_model_n_layer(model); i++) names.push_back("l_out-" + std::to_string(i));
    names.push_back("result_norm");
    names.push_back("result_output");
    for (const std::string & name : names) {
        const std::vector<float> & values = captured[name];
        if (values.empty()) fail("nothing captured of " + name);
        std::printf("%s %zu\n", name.c_str(), values.size() / tokens.size());
        out.write(reinterpret_cast<const char *>(values.data()), std::streamsize(values.size() * sizeof(float)));
    }
}

int main(int argc, char ** argv) {
    if (argc < 3) fail("usage: see the top of llama_peer.cpp");
    llama_log_set(
        [](ggml_log_level level, const char * text, void *) {
            if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
        },
        nullptr);
    llama_backend_init();
    const std::string command = argv[1];
    if (command == "tokenize") tokenize(argc, argv);
    else if (command == "quantize" && argc > 4) quantize(argc, argv);
    else if (command == "generate" && argc > 4) generate(argc, argv);
    else if (command == "states" && argc > 4) states(argc, argv);
    else fail("no command " + command);
    return 0;
}
