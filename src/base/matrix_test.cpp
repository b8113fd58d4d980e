// matrix_test.cpp - views: shape, stride, sub-views that share memory, and their checks.
#include "base/matrix.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "base/error.h"

namespace farthing {
namespace {

class MatrixTest : public testing::Test {
 protected:
  MatrixTest() : storage_(12), matrix_(storage_.data(), 3, 4) {
    std::iota(storage_.begin(), storage_.end(), 0.0f);
  }
  std::vector<float> storage_;
  Matrix<float> matrix_;
};

TEST_F(MatrixTest, IsRowMajor) {
  EXPECT_EQ(matrix_(2, 1), 9.0f);
  EXPECT_EQ(matrix_[1].size(), 4u);
  EXPECT_EQ(matrix_[1][3], 7.0f);
  EXPECT_EQ(matrix_.size(), 12);
  EXPECT_TRUE(matrix_.contiguous());
}

TEST_F(MatrixTest, SubViewsShareTheMemory) {
  const auto middle = matrix_.rows(1, 2).cols(1, 2);
  EXPECT_EQ(middle.n_rows, 2);
  EXPECT_EQ(middle.n_cols, 2);
  EXPECT_EQ(middle.stride, 4);
  EXPECT_FALSE(middle.contiguous());
  EXPECT_EQ(middle(1, 0), 9.0f);
  middle(0, 1) = -1.0f;
  EXPECT_EQ(matrix_(1, 2), -1.0f);
}

TEST_F(MatrixTest, EmptyViewsAreAllowed) {
  EXPECT_EQ(matrix_.rows(3, 0).n_rows, 0);
  EXPECT_EQ(matrix_.cols(4, 0).size(), 0);
}

TEST_F(MatrixTest, ViewsOutsideAreRefused) {
  EXPECT_THROW(matrix_.rows(2, 2), Error);
  EXPECT_THROW(matrix_.rows(-1, 1), Error);
  EXPECT_THROW(matrix_.rows(0, -1), Error);
  EXPECT_THROW(matrix_.cols(3, 2), Error);
  EXPECT_THROW(matrix_.cols(-1, 1), Error);
}

TEST_F(MatrixTest, AWritableViewIsAReadableOne) {
  const Matrix<const float> readable = matrix_.rows(1, 2).cols(0, 3);
  EXPECT_EQ(readable(1, 0), 8.0f);
  EXPECT_EQ(readable.stride, 4);
}

TEST(Matrix, SizeIsNotAnInt) {
  const Matrix<float> large(nullptr, 70000, 70000);
  EXPECT_EQ(large.size(), 4900000000LL);
}

}  // namespace
}  // namespace farthing
