// debian_corpus_test.cpp - each package's layout taken off, on entries as the packages hold them.
#include "data/debian_corpus.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace farthing {
namespace {

TEST(Gcide, MarkupEtymologiesAndSourcesGo) {
  EXPECT_EQ(clean_gcide("Abdomen \\Ab*do\"men\\, n. [L. abdomen (a word of uncertain\n"
                        "   etymol.): cf. F. abdomen.]\n"
                        "   1. (Anat.) The belly, or that part of the body between the\n"
                        "      thorax and the pelvis.\n"
                        "      [1913 Webster]\n"
                        "\n"
                        "   2. (Zool.) The posterior section of the body, behind the\n"
                        "      {thorax}, in insects (Entom.) too. --Dryden.\n"
                        "      [1913 Webster]\n"),
            (Documents{"Abdomen. The belly, or that part of the body between the thorax and the "
                       "pelvis.\nThe posterior section of the body, behind the thorax, in "
                       "insects too."}));
}

TEST(Gcide, EntriesOfOneWordAreOneDocument) {
  EXPECT_EQ(
      clean_gcide("Abate \\A*bate\"\\, v. t.\n   To beat down; to overthrow.\n\n"
                  "Abate \\A*bate\"\\, v. i.\n   To decrease, or become less in strength.\n\n"
                  "Abbey \\Ab\"bey\\, n.; pl. {Abbeys}.\n   A monastery or society of persons.\n"),
      (Documents{"Abate. To beat down; to overthrow.\nTo decrease, or become less in strength.",
                 "Abbey. A monastery or society of persons."}));
}

TEST(Gcide, LettersInBracketsStayInTheirWords) {
  EXPECT_EQ(clean_gcide("Aegis \\[AE]\"gis\\, n.\n"
                        "   A shield with antenn[ae] and f[oe]tal marks. [Obs.]\n"),
            Documents{"Aegis. A shield with antennae and foetal marks."});
}

TEST(Gcide, DerivedWordsSynonymsAndUnreadLettersGo) {
  EXPECT_EQ(clean_gcide("Idle \\I\"dle\\, a.\n"
                        "   Free from toil of any kind. -- I\"dle*less, a. -- I\"dly, adv.\n"
                        "\n"
                        "   Syn: Lazy; slothful; sluggish; vacant of all work.\n"
                        "\n"
                        "   From the Greek ?fros, which no man can read.\n"),
            Documents{"Idle. Free from toil of any kind."});
}

TEST(Gcide, OddInputGivesNothing) {
  for (const char* text :
       {"", "\n\n", "no backslash at all here, only a line of words.", "\\\\\\\\", "a \\",
        "   an indented paragraph before any headword at all.", "Word \\Word\\, n.",
        "Word \\Word\\, n. [never closed, it goes on and on.", "Word \\Word\\, n. {never closed",
        "Word \\Word\\ (never closed"}) {
    EXPECT_EQ(clean_gcide(text), Documents{}) << text;
  }
}

TEST(Foldoc, FieldsLinksDatesAndTablesGo) {
  EXPECT_EQ(clean_foldoc("00-database-info\n\n   This is the dictionary of computing itself.\n\n"
                         "AI koan\n"
                         "\n"
                         "   <humour> /A-I koh'an/ One of a series of pastiches of {Zen}\n"
                         "   teaching riddles created at the {MIT AI Lab}.\n"
                         "\n"
                         "      a = b   deeper indentation is code, not text.\n"
                         "\n"
                         "      Deeper indentation is code, even if it reads like this.\n"
                         "\n"
                         "   (This remark of an editor is no part of the entry.)\n"
                         "\n"
                         "   one    two   three columns stand here in a row.\n"
                         "\n"
                         "   A novice was `trying' to fix it [really?] by turning it off.\n"
                         "\n"
                         "   (2007-07-16)\n"
                         "\n"
                         "AIX\n"
                         "\n"
                         "   An operating system that was sold by a large company.\n"),
            (Documents{"AI koan. One of a series of pastiches of Zen teaching riddles created at "
                       "the MIT AI Lab.\nA novice was 'trying' to fix it by turning it off.",
                       "AIX. An operating system that was sold by a large company."}));
}

TEST(Devil, WordsInCapitalsOpenEntriesAndVerseGoes) {
  EXPECT_EQ(clean_devil("The preface is before the first entry, and is not wanted.\n\n"
                        "ABORIGINIES, n.  Persons of little worth found cumbering the soil of a\n"
                        "newly discovered country.\n\n"
                        "    'Tis the answer to What? and How? and Why?\n\n"
                        "  They soon cease to _cumber_; they fertilize.\n\n"
                        "ABSURDITY, n.  A statement or belief inconsistent with one's own.\n"),
            (Documents{"Aboriginies. Persons of little worth found cumbering the soil of a newly "
                       "discovered country.\nThey soon cease to cumber; they fertilize.",
                       "Absurdity. A statement or belief inconsistent with one's own."}));
}

TEST(Jargon, HeadwordsOpenEntries) {
  EXPECT_EQ(
      clean_jargon("   :baroque: adj.\n"
                   "\n"
                   "   [common] Feature-encrusted; complex; gaudy; verging on the excessive of\n"
                   "   {elephantine} designs. \xE2\x80\x9CNow that is it!\xE2\x80\x9D See also "
                   "\xE2\x80\x9Crococo.\xE2\x80\x9D\n"
                   "\n"
                   "   :BASIC: /bay\xC2\xB7sic/, n.\n"
                   "\n"
                   "   A programming language, originally designed for timesharing.\n"
                   "\n"
                   "   old fart    on the   gripping hand\n"
                   "\n"
                   "   Behind a table the text belongs to no entry any more.\n"),
      (Documents{"Baroque. Feature-encrusted; complex; gaudy; verging on the excessive of "
                 "elephantine designs. \"Now that is it!\" See also \"rococo.\"",
                 "BASIC. A programming language, originally designed for timesharing.",
                 "Behind a table the text belongs to no entry any more."}));
}

TEST(Fortunes, AttributionsVerseAndSeparatorsGo) {
  EXPECT_EQ(
      clean_fortunes("A dream will always triumph over reality.\n"
                     "-- Stanislaw Lem, who wrote of the stars and of us.\n"
                     "%\n"
                     "Roses are red they say,\nViolets are blue they say,\n"
                     "Sugar is sweet they say,\nAnd so are you, they say.\n"
                     "%\n"
                     "A fake fortuneteller can be tolerated.  But an authentic soothsayer should\n"
                     "be shot on sight.  Cassandra did not get\nhalf the kicking around she\n"
                     "deserved for it.\n"
                     "\xE2\x80\x94 somebody\n"
                     "%\n"
                     "\tHe began with a tab.\nAnd then he went on to the next line.\n"),
      (Documents{"A dream will always triumph over reality.",
                 "A fake fortuneteller can be tolerated. But an authentic soothsayer should be "
                 "shot on sight. Cassandra did not get half the kicking around she deserved "
                 "for it.",
                 "He began with a tab. And then he went on to the next line."}));
}

TEST(Fortunes, OddInput) {
  for (const char* text : {"", "%", "%\n%\n%", "\n\n", "\t", "-- nobody"}) {
    EXPECT_EQ(clean_fortunes(text), Documents{}) << text;
  }
  EXPECT_EQ(clean_fortunes("The last line has no end of its own."),
            Documents{"The last line has no end of its own."});
}

TEST(Manual, HeadingsOpenDocumentsAndLayoutGoes) {
  const std::string first =
      "The first paragraph of a section is long enough to be a paragraph[1] of text.";
  const std::string item =
      "   \xE2\x80\xA2 An item of a list is text too when it is long enough to be read.";
  EXPECT_EQ(
      clean_manual("1.2. A heading\n\n" + first + "\n\n" + item +
                   "\n\nToo short to keep.\n\n"
                   "Column one     column two and more words, long enough to be kept here.\n\n"
                   "Chapter 2. Another\n\n"
                   "We the people, in order to form a more perfect union, establish this^[7].\n"),
      (Documents{"The first paragraph of a section is long enough to be a paragraph of text.\n"
                 "An item of a list is text too when it is long enough to be read.",
                 "We the people, in order to form a more perfect union, establish this."}));
}

TEST(Manual, LongSectionsAreCutAtAParagraph) {
  const std::string paragraph =
      "This paragraph says nothing much and says it again and again, at some length.";
  std::string text;
  for (int i = 0; i < 100; ++i) text += paragraph + "\n\n";
  const Documents documents = clean_manual(text);
  EXPECT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[0].size(), 52 * (paragraph.size() + 1) - 1);  // the first beyond 4000 bytes
}

// Every cleaner stands any bytes: markup never closed, NULs, invalid UTF-8, one endless line.
TEST(Cleaners, StandAnyBytes) {
  const std::string alphabet =
      "ab A\\[]{}()<>:%*\"'`-.,;?\n\t \xE2\x80\x9C\xFF\xC2\xA0/" + std::string(1, '\0');
  std::uint64_t state = 1;
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (int i = 0; i < 400; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      text += alphabet[(state >> 33) % alphabet.size()];
    }
    for (const auto clean :
         {clean_gcide, clean_foldoc, clean_devil, clean_jargon, clean_fortunes, clean_manual}) {
      for (const std::string& document : clean(text)) EXPECT_FALSE(document.empty());
    }
  }
}

struct DebianCorpusTest : testing::Test {
  DebianCorpusTest()
      : root(std::filesystem::temp_directory_path() /
             ("farthing-corpus-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(root);
  }
  ~DebianCorpusTest() override { std::filesystem::remove_all(root); }

  void put(const std::string& name, const std::string& text) const {
    const auto path = root / name;
    std::filesystem::create_directories(path.parent_path());
    const gzFile file = gzopen(path.c_str(), name.ends_with("z") ? "wb" : "wbT");
    ASSERT_GT(gzwrite(file, text.data(), static_cast<unsigned>(text.size())), 0);
    gzclose(file);
  }
  // Every file that the corpus is made of.
  void install() const {
    put("usr/share/dictd/gcide.dict.dz",
        "Abbey \\Ab\"bey\\, n.\n   A monastery of many persons.\n");
    put("usr/share/dictd/foldoc.dict.dz", "AIX\n\n   An operating system that was once sold.\n");
    put("usr/share/dictd/devil.dict.dz", "FOLLY, n.  That gift and faculty divine.\n");
    put("usr/share/doc/jargon-text/jargon.txt.gz",
        "   :foo: n.\n\n   A name for anything at all.\n");
    const std::string manual = "A manual has paragraphs that are long enough to be kept by it.\n";
    for (const char* name :
         {"debian-reference/debian-reference.en.txt.gz", "doc/debian-policy/policy.txt.gz",
          "doc/debian/FAQ/debian-faq.en.txt.gz", "doc/maint-guide/maint-guide.en.txt.gz",
          "state/us-constitution.gz", "state/us-declaration.gz"}) {
      put(std::string("usr/share/") + name, manual);
    }
    for (const char* name :
         {"art",        "computers",     "cookie",      "debian",     "definitions", "disclaimer",
          "education",  "food",          "fortunes",    "goedel",     "humorists",   "kids",
          "law",        "linux",         "linuxcookie", "literature", "love",        "magic",
          "medicine",   "miscellaneous", "news",        "paradoxum",  "people",      "pets",
          "platitudes", "politics",      "riddles",     "science",    "sports",      "startrek",
          "tao",        "wisdom",        "work"}) {
      put(std::string("usr/share/games/fortunes/") + name,
          "A topic has this to say.\n%\nBad \xFF bytes are not the words of anyone.\n%\n"
          "Une id\xC3\xA9"
          "e est une chose utile.\n");
    }
  }

  std::filesystem::path root;
};

TEST_F(DebianCorpusTest, WritesOneFileASourceAndAManifest) {
  install();
  put("var/lib/dpkg/status",
      "Package: dict-gcide\nVersion: 0.48\n\nPackage: fortunes\nVersion: 1:2\n");
  const std::string out = root / "out";
  const Json manifest = make_debian_corpus(out, root);
  EXPECT_EQ(manifest, read_json(out + "/manifest.json"));
  ASSERT_EQ(manifest["sources"].size(), 7u);
  const Json& gcide = manifest["sources"][0];
  EXPECT_EQ(gcide["name"], "gcide");
  EXPECT_EQ(gcide["version"], "0.48");
  EXPECT_EQ(gcide["documents"], 1);
  EXPECT_EQ(read_file(out + "/gcide.jsonl"),
            "{\"text\":\"Abbey. A monastery of many persons.\"}\n");
  EXPECT_EQ(gcide["bytes"], 35);
  const Json& fortunes = manifest["sources"][3];
  EXPECT_EQ(fortunes["version"], "1:2 unknown");
  EXPECT_EQ(fortunes["documents"], 2 * 33);  // the torn ones are left out
  EXPECT_NE(read_file(out + "/fortunes.jsonl")
                .find("Une id\xC3\xA9"
                      "e est"),
            std::string::npos);
  for (const Json& source : manifest["sources"]) EXPECT_GT(source["documents"], 0) << source;
}

TEST_F(DebianCorpusTest, NamesThePackagesThatAreMissing) {
  install();
  std::filesystem::remove(root / "usr/share/dictd/foldoc.dict.dz");
  std::filesystem::remove(root / "usr/share/state/us-declaration.gz");
  try {
    make_debian_corpus(root / "out", root);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    EXPECT_NE(error.message.find("no files for foldoc, charters"), std::string::npos)
        << error.message;
    EXPECT_NE(error.message.find("apt-get install dict-foldoc miscfiles"), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(root / "out"));
}

TEST_F(DebianCorpusTest, ADamagedFileIsBadInput) {
  install();
  const std::string path = root / "usr/share/dictd/gcide.dict.dz";
  write_file_atomically(path, read_file(path).substr(0, 30));
  try {
    make_debian_corpus(root / "out", root);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    EXPECT_NE(error.message.find("gcide.dict.dz"), std::string::npos) << error.message;
  }
}

}  // namespace
}  // namespace farthing
