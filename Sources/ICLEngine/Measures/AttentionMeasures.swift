extension Measures {
  /// SimAM (Dai et al. 2022, arXiv 2212.10559): how alike two models look at the query. The rows are the
  /// scaled attention logits before the softmax, `q·k / √E`, of the query's last token over the query's own tokens, so
  /// that a prompt with demonstrations and one without are compared on the same tokens:
  /// `mean over layers, queries and heads of cos(a, b)`.
  ///
  /// Where two rows have different lengths (a tokenizer merged differently at the query's first character), the tokens
  /// at the end that both have are compared.
  /// - Parameters: `a`, `b`: `[layer][query][head][query token]`
  /// - Returns: -1…1; NaN when a row is zero or holds a logit that is not finite (outside a sliding window).
  public static func simAM(_ a: [[[[Float]]]], _ b: [[[[Float]]]]) -> Double {
    meanOverHeads(a, b) { cosine($0, $1) }
  }

  /// SimAM of the differences to zero-shot: `cos(icl − zeroShot, tuned − zeroShot)`, means as in ``simAM(_:_:)``. What
  /// attention has in common without demonstrations and without tuning does not count here.
  /// - Parameters: all `[layer][query][head][query token]`
  /// - Returns: -1…1; NaN when either did not move.
  public static func simAMDelta(
    icl: [[[[Float]]]], tuned: [[[[Float]]]], zeroShot: [[[[Float]]]]
  ) -> Double {
    precondition(icl.count == zeroShot.count && tuned.count == zeroShot.count, "attention in the same layers")
    return Statistics.mean(
      icl.indices.map { layer in
        Statistics.mean(
          icl[layer].indices.map { query in
            Statistics.mean(
              icl[layer][query].indices.map { head in
                let (a, b) = (icl[layer][query][head], tuned[layer][query][head])
                let origin = zeroShot[layer][query][head]
                let count = min(a.count, b.count, origin.count)
                return updateCosine(
                  Array(a.suffix(count)), Array(b.suffix(count)), from: Array(origin.suffix(count)))
              })
          })
      })
  }

  private static func meanOverHeads(
    _ a: [[[[Float]]]], _ b: [[[[Float]]]], _ measure: ([Float], [Float]) -> Double
  ) -> Double {
    precondition(a.count == b.count, "attention in the same layers")
    return Statistics.mean(
      zip(a, b).map { a, b in
        precondition(a.count == b.count, "attention of the same queries")
        return Statistics.mean(
          zip(a, b).map { a, b in
            precondition(a.count == b.count, "attention of the same heads")
            return Statistics.mean(
              zip(a, b).map { a, b in
                let count = min(a.count, b.count)
                return measure(Array(a.suffix(count)), Array(b.suffix(count)))
              })
          })
      })
  }

  /// Whether tuning "attends" to the demonstrations as the prompt does (Dai et al. 2022, arXiv
  /// 2212.10559): Kendall's τ (variant b) of the attention of the query's last token to the demonstrations' tokens under ICL,
  /// `q_query·k_j / √E`, with what one step of gradient descent would weigh the same tokens by, `q_j·q_query`.
  ///
  /// Query vectors are taken before the rotary embedding: a training example and the query have no positions in common.
  /// - Parameters:
  ///   - attention: logits or probabilities (their ranks are the same) of one head over the demonstrations' tokens, `[J]`
  ///   - training: query vectors of the same tokens as training examples, `[J][E]`
  ///   - query: query vector of the query's last token, `[E]`
  /// - Returns: -1…1, around 0 by chance; NaN for fewer than two tokens.
  public static func attentionToDemonstrations(
    _ attention: [Float], training: [[Float]], query: [Float]
  ) -> Double {
    precondition(attention.count == training.count, "the same tokens")
    return kendallTau(attention.map(Double.init), training.map { dot($0, query) })
  }

  /// The 0-or-more spread of a quantity over orders of the same demonstrations (Shen et al. 2023, arXiv 2310.08540):
  /// the sample standard deviation. Gradient descent on whole batches does not see the order, so it has 0.
  /// - Parameter values: accuracy, say, for each order
  /// - Returns: 0 or more; NaN for fewer than two orders.
  public static func orderSensitivity(_ values: [Double]) -> Double { Statistics.standardDeviation(values) }
}
