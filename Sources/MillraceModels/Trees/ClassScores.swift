/// The end of an ONNX `TreeEnsembleClassifier`, as ONNX Runtime computes it: which class is the label, and the scores.
///
/// The scores replace the sums; the number of the label's class is put behind them.
struct ClassScores: Hashable, Sendable {
    enum Vote: Hashable, Sendable {
        /// One sum for two classes; the second one from above 0.5 on, as all weights are positive (a random forest).
        case pairAboveHalf
        /// One sum for two classes; the second one from above 0 on.
        case pairAboveZero
        /// Two sums; the second class from above 0 on.
        case secondAboveZero
        /// The first of the greatest sums.
        case greatest
    }
    enum After: Hashable, Sendable { case nothing, logistic, softmax }

    var vote: Vote
    var after: After

    /// Scores for `count` sums.
    func scoreCount(_ count: Int) -> Int { vote == .pairAboveHalf || vote == .pairAboveZero ? 2 : count }

    @inline(__always)
    func apply<Sum: ForestSum>(_ sums: UnsafeMutablePointer<Sum>, count: Int) {
        let zero = Sum(0.0)
        switch vote {
        case .pairAboveHalf, .pairAboveZero:
            let sum = sums[0]
            let isSecond = sum > (vote == .pairAboveHalf ? Sum(0.5) : zero)
            if after == .logistic {
                sums[0] = Sum.logistic(zero - sum)
                sums[1] = Sum.logistic(sum)
            } else {
                sums[0] = vote == .pairAboveHalf ? Sum(1.0) - sum : zero - sum
                sums[1] = sum
            }
            sums[2] = isSecond ? Sum(1.0) : zero
            return
        case .secondAboveZero: sums[count] = sums[1] > zero ? Sum(1.0) : zero
        case .greatest:
            var best = 0
            for i in 1..<count where sums[i] > sums[best] { best = i }
            sums[count] = Sum(Double(best))
        }
        switch after {
        case .nothing: break
        case .logistic: OutputTransform.logistic.apply(sums, count: count)
        case .softmax: OutputTransform.softmax.apply(sums, count: count)
        }
    }
}
