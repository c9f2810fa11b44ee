internal import CQuantKernels

/// Values that training may change, with their gradient and the optimizer's moments once they are trained.
///
/// Unchecked Sendable: belongs to one trainer, which works on one thread at a time; inside a ``ThreadPool`` job threads
/// own disjoint elements.
package final class Parameter: @unchecked Sendable {
  package let name: String
  /// `[rows, columns]`; a vector is one row.
  package let value: FloatMatrix
  /// Gradient and moments, of the value's shape; `nil` while the parameter is frozen.
  package let gradient: FloatMatrix?
  let firstMoment: FloatMatrix?
  let secondMoment: FloatMatrix?
  /// Whether weight decay applies: to matrices, not to gains and biases.
  let decays: Bool
  /// What the optimizer's rate is multiplied by for these values.
  package var rateScale: Float = 1

  init(_ name: String, _ value: FloatMatrix, trained: Bool, decays: Bool) {
    self.name = name
    self.value = value
    self.decays = decays
    func another() -> FloatMatrix? { trained ? FloatMatrix(rows: value.rows, columns: value.columns) : nil }
    gradient = another()
    firstMoment = another()
    secondMoment = another()
  }

  package var count: Int { value.rows * value.columns }
  package var isTrained: Bool { gradient != nil }

  func clearGradient() { gradient?.pointer().update(repeating: 0, count: count) }

  /// Sum of the gradient's squares, in a fixed order.
  var gradientSquare: Double {
    guard let gradient else { return 0 }
    return cqk_t_sum_of_squares(gradient.pointer(), count)
  }
}
