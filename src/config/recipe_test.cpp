// recipe_test.cpp - recipes: defaults, overrides, faults all at once with their lines, round trip.
#include "config/recipe.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "config/share.h"

namespace farthing {
namespace {

constexpr const char* kTiny = R"([model]
vocab_size = 8192
hidden_size = 256
intermediate_size = 704
moe_intermediate_size = 128
num_hidden_layers = 6
first_k_dense_replace = 1
num_attention_heads = 4
n_shared_experts = 1
n_routed_experts = 16
num_experts_per_tok = 4
q_lora_rank = 128
kv_lora_rank = 64
qk_nope_head_dim = 32
qk_rope_head_dim = 16
v_head_dim = 32
num_nextn_predict_layers = 1
)";

Recipe parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_recipe(kTiny + text, "r.toml", overrides);
}

std::string faults(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    parse(text, overrides);
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    return error.message;
  }
  return "accepted";
}

TEST(Recipe, DefaultsOfAModelAlone) {
  const Recipe recipe = parse("");
  EXPECT_EQ(recipe.model.q_lora_rank, 128);
  EXPECT_EQ(recipe.model.initializer_range, 0.006);
  EXPECT_EQ(recipe.train.learning_rate, 3e-4);
  EXPECT_EQ(recipe.train.lr_shape, LrShape::kWsd);
  EXPECT_EQ(recipe.data, DataRecipe{});
}

TEST(Recipe, ReadsEachType) {
  const Recipe recipe = parse(R"(
[data]
train = "d"
document_mask = true
seed = 12345678901
[train]
learning_rate = 1
batch_tokens = 8.192e3
lr_shape = "cosine"
until = "5steps"
[cost]
price = 0.07
)");
  EXPECT_EQ(recipe.data.train, "d");
  EXPECT_TRUE(recipe.data.document_mask);
  EXPECT_EQ(recipe.data.seed, 12345678901u);
  EXPECT_EQ(recipe.train.learning_rate, 1.0);
  EXPECT_EQ(recipe.train.batch_tokens, 8192);
  EXPECT_EQ(recipe.train.lr_shape, LrShape::kCosine);
  EXPECT_EQ(recipe.cost.price, 0.07);
}

TEST(Recipe, AllFaultsAtOnceWithTheirLines) {
  const std::string message = faults(R"([train]
learnig_rate = 3e-4
beta1 = 1.5
batch_tokens = "many"
[chekpoint]
every = 5
[parallel]
seed = 2
)");
  EXPECT_EQ(message,
            "r.toml:19: unknown key train.learnig_rate (did you mean train.learning_rate?)\n"
            "r.toml:20: train.beta1: found 1.5, wanted 0 to 0.9999999\n"
            "r.toml:21: train.batch_tokens: found \"many\", wanted a whole number\n"
            "r.toml:22: unknown section [chekpoint] (did you mean [checkpoint]?)\n"
            "r.toml:25: unknown key parallel.seed (did you mean data.seed?)");
}

TEST(Recipe, WrongTypesAndRanges) {
  for (const char* line : {"train.learning_rate = \"x\"",
                           "train.learning_rate = -1",
                           "train.learning_rate = nan",
                           "train.learning_rate = inf",
                           "train.batch_tokens = 512.5",
                           "train.batch_tokens = [512]",
                           "train.batch_tokens = 99999999999",
                           "data.document_mask = 1",
                           "data.seed = -1",
                           "train.lr_shape = \"linear\"",
                           "train.until = 5",
                           "train.until = \"5\"",
                           "run.purpose = \"fun\"",
                           "precision.matmul = \"int3\"",
                           "run.name = \"a/b\"",
                           "data.train = 2020-01-01",
                           "checkpoint.keep_last = 0",
                           "train = 3",
                           "x = 1",
                           "[empty]"}) {
    const std::string text = std::string(line) + "\n" + kTiny;
    EXPECT_THROW(parse_recipe(text, "r.toml"), Error) << line;
  }
}

TEST(Recipe, ContradictionsAreFaults) {
  EXPECT_EQ(faults("[train]\nbatch_tokens = 1000\n"),
            "r.toml:19: train.batch_tokens: found 1000, wanted a multiple of data.sequence_length "
            "= 512");
  EXPECT_NE(faults("[train]\nmicro_batch = 3\n"), "accepted");
  EXPECT_NE(faults("[train]\nbatch_tokens_start = 512\n"), "accepted");
  EXPECT_NE(faults("[train]\nbatch_ramp_tokens = 512\n"), "accepted");
  EXPECT_NE(faults("[train]\nbatch_tokens_start = 8192\nbatch_ramp_tokens = 9\n"), "accepted");
  EXPECT_NE(faults("[train]\nlr_shape = \"cosine\"\ndecay_fraction = 0.5\n"), "accepted");
  EXPECT_NE(faults("[train]\nlr_shape = \"constant\"\nmin_lr_ratio = 0.5\n"), "accepted");
  EXPECT_NE(faults("[train]\nbf16_moments = true\nbeta2 = 0.999\n"), "accepted");
  EXPECT_NE(faults("[data]\nsequence_length = 8192\n[train]\nbatch_tokens = 8192\n"), "accepted");
  EXPECT_EQ(faults("[train]\nbatch_tokens_start = 512\nbatch_ramp_tokens = 9\n"), "accepted");
  // Regression: the first let a later CHECK fail, the second made a ramp that was none.
  for (const char* micro_batch : {"3", "4"}) {
    EXPECT_NE(faults(std::string("[train]\nbatch_tokens_start = 1024\nbatch_ramp_tokens = 9\n") +
                     "micro_batch = " + micro_batch + "\n"),
              "accepted");
  }
}

constexpr const char* kMixture = R"([data]
packing = "best_fit"
fim_rate = 0.1
stage_shape = "linear"
[[data.sources]]
name = "code"
data = "d/code"
weight = 3
[[data.sources]]
name = "prose"
data = "d/prose"
[[data.stages]]
tokens = 1e6
weights = [0.25, 1]
)";

TEST(Recipe, ReadsAMixtureAndWritesIt) {
  const Recipe recipe = parse_recipe(std::string(kTiny) + kMixture, "r.toml");
  ASSERT_EQ(recipe.data.sources.size(), 2u);
  EXPECT_EQ(recipe.data.sources[0], (MixSource{"code", "d/code", 3}));
  EXPECT_EQ(recipe.data.sources[1], (MixSource{"prose", "d/prose", 1}));
  ASSERT_EQ(recipe.data.stages.size(), 1u);
  EXPECT_EQ(recipe.data.stages[0], (MixStage{1e6, {0.25, 1}}));
  EXPECT_EQ(recipe.data.packing, "best_fit");
  EXPECT_EQ(recipe.data.fim_rate, 0.1);
  EXPECT_EQ(parse_recipe(to_toml(recipe), "again"), recipe);
  EXPECT_NE(recipe_hash(recipe), recipe_hash(parse_recipe(kTiny, "r.toml")));
}

TEST(Recipe, MixtureFaults) {
  const auto changed = [](const std::string& from, const std::string& to) {
    std::string text = kMixture;
    return faults(text.replace(text.find(from), from.size(), to));
  };
  EXPECT_NE(changed("weight = 3", "wieght = 3").find("did you mean"), std::string::npos);
  EXPECT_NE(changed("weight = 3", "weight = -3").find("0 to"), std::string::npos);
  EXPECT_NE(changed("\"prose\"", "\"code\"").find("no other source"), std::string::npos);
  EXPECT_NE(changed("data = \"d/prose\"", "").find("data.sources.1.data"), std::string::npos);
  EXPECT_NE(changed("[0.25, 1]", "[0.25]").find("1 weights, wanted 2"), std::string::npos);
  EXPECT_NE(changed("[0.25, 1]", "[0, 0]").find("not all 0"), std::string::npos);
  EXPECT_NE(changed("tokens = 1e6", "tokens = 0").find("more than 0"), std::string::npos);
  EXPECT_NE(changed("best_fit", "bestfit").find("packing"), std::string::npos);
  EXPECT_NE(changed("[data]", "[data]\ntrain = \"d\"").find("both train and sources"),
            std::string::npos);
  EXPECT_NE(faults("[data]\nstage_shape = \"linear\"\n").find("would not be used"),
            std::string::npos);
}

TEST(Recipe, ModelFaultsCarryTheirLine) {
  EXPECT_EQ(faults("n_group = 3\ntopk_group = 2\n"),
            "r.toml:18: model.n_group: found 3, wanted a divisor of n_routed_experts = 16");
  EXPECT_EQ(faults("", {"model.qk_rope_head_dim=15"}),
            "--set model.qk_rope_head_dim=15: model.qk_rope_head_dim: found 15, wanted an even "
            "number (RoPE turns pairs)");
}

TEST(Recipe, MissingModelIsOneFault) {
  try {
    parse_recipe("[train]\nuntil = \"1h\"\n", "r.toml");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message,
              "r.toml: [model]: found nothing, wanted preset = \"small\", from = \"...\", or the "
              "fields");
  }
}

TEST(Recipe, OverridesAreTomlOrBareWords) {
  const Recipe recipe =
      parse("[train]\nuntil = \"1h\"\n",
            {"train.until=2h,0.5usd", "train.learning_rate=1e-3", "train.lr_shape=constant",
             "run.project=\"a b\"", "data.document_mask=true", "model.q_lora_rank=0",
             "data.train=out dir/x=y", "cost.price=0.04"});
  EXPECT_EQ(recipe.train.until, "2h,0.5usd");
  EXPECT_EQ(recipe.train.learning_rate, 1e-3);
  EXPECT_EQ(recipe.train.lr_shape, LrShape::kConstant);
  EXPECT_EQ(recipe.run.project, "a b");
  EXPECT_TRUE(recipe.data.document_mask);
  EXPECT_FALSE(recipe.model.q_lora_rank);
  EXPECT_EQ(recipe.data.train, "out dir/x=y");
  EXPECT_EQ(recipe.cost.price, 0.04);
}

TEST(Recipe, BadOverridesSayWhere) {
  EXPECT_EQ(faults("", {"train.sed=1"}),
            "--set train.sed=1: unknown key train.sed (did you mean train.seed?)");
  EXPECT_NE(faults("", {"run.project=\xff\xfe"}), "accepted");
  EXPECT_NE(faults("", {"train.seed=1\nbeta1=2"}), "accepted");
}

TEST(Recipe, SyntaxErrorNamesItsLine) {
  const std::string message = faults("[train\n");
  EXPECT_TRUE(message.starts_with("r.toml:18: not valid TOML")) << message;
}

TEST(Recipe, RoundTripsThroughToml) {
  Recipe recipe = parse(
      "", {"train.learning_rate=0.00012345678901234567", "train.epsilon=1e-12",
           "run.name=we \"quote\" \\ these", "run.parent=käse\ttab", "train.batch_ramp_tokens=1e15",
           "train.batch_tokens_start=1024", "cost.price=0.031", "model.mtp_input=post_norm",
           "model.q_lora_rank=0", "train.lr_shape=deepseek_v3", "data.seed=9007199254740992"});
  recipe.model.rope_scaling =
      RopeScaling{.factor = 40, .mscale_all_dim = 0.707, .attention_factor = 1.5};
  const Recipe back = parse_recipe(to_toml(recipe), "resolved");
  EXPECT_EQ(back, recipe);
  EXPECT_EQ(to_toml(back), to_toml(recipe));
  EXPECT_EQ(parse_recipe(to_toml(parse("")), "resolved"), parse(""));
  EXPECT_EQ(recipe_hash(back), recipe_hash(recipe));
  EXPECT_NE(recipe_hash(parse("")), recipe_hash(recipe));
}

TEST(Recipe, DefaultsNameTheirSource) {
  const std::string text = to_toml(parse("[train]\nbeta1 = 0.8\n"));
  EXPECT_NE(text.find("beta2 = 0.95  # default: DeepSeek-V3 report, section 4.2\n"),
            std::string::npos);
  EXPECT_NE(text.find("beta1 = 0.8\n"), std::string::npos);
}

class SharedRecipes : public testing::Test {
 protected:
  SharedRecipes() { set_share_folder(FARTHING_SOURCE_DIR); }
  ~SharedRecipes() override { set_share_folder(""); }
};

TEST_F(SharedRecipes, PresetGivesTheModelAndFieldsChangeIt) {
  const Recipe recipe =
      parse_recipe("[model]\npreset = \"small\"\nnum_nextn_predict_layers = 0\n", "r.toml");
  EXPECT_EQ(recipe.model.hidden_size, 512);
  EXPECT_EQ(recipe.model.num_nextn_predict_layers, 0);
  EXPECT_EQ(recipe.train, TrainRecipe{});
}

TEST_F(SharedRecipes, FromReadsAConfigJson) {
  const Recipe recipe =
      parse_recipe("model.from = \"deepseek-v3\"\nmodel.rope_scaling = \"none\"\n", "r.toml");
  EXPECT_EQ(recipe.model.n_routed_experts, 256);
  EXPECT_FALSE(recipe.model.rope_scaling);
  const Recipe by_path = parse_recipe(
      "model.from = \"models/deepseek-v3/config.json\"\n"
      "model.rope_scaling.factor = 20\n",
      "r.toml");
  EXPECT_EQ(by_path.model.rope_scaling->factor, 20);
  EXPECT_EQ(by_path.model.rope_scaling->mscale_all_dim, 1);
}

TEST_F(SharedRecipes, UnknownPresetNamesTheNearest) {
  try {
    parse_recipe("[model]\npreset = \"smal\"\n[train]\nseed = true\n", "r.toml");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message.find("r.toml:2: model.preset: smal: no such file"), std::string::npos)
        << error.message;
    EXPECT_NE(error.message.find("did you mean small?"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("r.toml:4: train.seed"), std::string::npos) << error.message;
    EXPECT_EQ(error.message.find("vocab_size"), std::string::npos) << error.message;
  }
  EXPECT_THROW(parse_recipe("model.preset=\"small\"\nmodel.from=\"deepseek-v3\"\n", "r"), Error);
}

TEST_F(SharedRecipes, APathWithoutItsSuffixIsRecognised) {
  const auto before = std::filesystem::current_path();
  const auto folder = std::filesystem::temp_directory_path() /
                      ("farthing_recipe_suffix_test" + std::to_string(getpid()));
  std::filesystem::create_directories(folder / "mine");
  for (const char* file : {"plain", "other.toml", "mine/deep.toml"}) {
    std::ofstream(folder / file) << "model.preset = \"small\"\n";
  }
  std::filesystem::current_path(folder);
  const auto words = [](const std::string& name) -> std::string {
    try {
      load_recipe(name);
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kBadInput);
      return error.message;
    }
    return "";
  };
  EXPECT_NE(words("plain").find("the file that lies here is ./plain"), std::string::npos);
  EXPECT_EQ(words("./plain"), "");
  EXPECT_NE(words("other").find("did you mean other.toml?"), std::string::npos);
  EXPECT_NE(words("mine/deep").find("did you mean mine/deep.toml?"), std::string::npos);
  EXPECT_NE(words("mine").find("found a folder"), std::string::npos);
  std::filesystem::current_path(before);
  std::filesystem::remove_all(folder);
}

TEST_F(SharedRecipes, AnOverrideWithoutAValueIsWrongUse) {
  for (const char* text : {"nonsense", "=1", ""}) {
    try {
      parse("", {text});
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kUsage) << text;
      EXPECT_NE(error.message.find("wanted key=value"), std::string::npos) << error.message;
    }
  }
}

TEST_F(SharedRecipes, BareNameIsNotAFileOfTheWorkingFolder) {
  const auto before = std::filesystem::current_path();
  const auto folder = std::filesystem::temp_directory_path() / "farthing_recipe_name_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "small") << "#!/bin/sh\n";
  std::filesystem::current_path(folder);
  EXPECT_EQ(load_recipe("small").model.hidden_size, 512);
  std::filesystem::current_path(before);
  std::filesystem::remove_all(folder);
}

TEST_F(SharedRecipes, PresetsThatLeadToThemselvesEnd) {
  const auto folder = std::filesystem::temp_directory_path() / "farthing_recipe_test";
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "loop.toml").string();
  std::ofstream(path) << "model.preset = \"loop.toml\"\n";
  EXPECT_THROW(load_recipe(path), Error);
  std::filesystem::remove_all(folder);
}

TEST_F(SharedRecipes, EveryRecipeInTheTreeLoads) {
  const auto names = list_shared("recipes", ".toml");
  EXPECT_GE(names.size(), 4u);
  for (const auto& name : names) {
    const Recipe recipe = load_recipe(name);
    EXPECT_EQ(recipe.run.name, name);
    EXPECT_EQ(parse_recipe(to_toml(recipe), name), recipe) << name;
  }
}

}  // namespace
}  // namespace farthing
