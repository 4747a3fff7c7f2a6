/// From the sums of the leaves to what the model predicts.
enum OutputTransform: Hashable, Sendable {
    case identity
    /// 1 / (1 + exp(-scale * x)), each output by itself.
    case sigmoid(scale: Double)
    case exponential
    /// 1 / (1 + exp(-x)) by way of |x|, as ONNX Runtime computes it.
    case logistic
    /// log(1 + exp(x)).
    case softplus
    /// Over all outputs of the row.
    case softmax
    /// The index of the greatest sum, as the only output.
    case greatest
    /// 1 where x > 0, else 0.
    case step
    /// sign(x) * x².
    case signedSquare
    /// x / divisor, then the other one.
    indirect case divided(by: Double, then: OutputTransform)
    case scaled(by: Double)
    case shifted(by: Double)
    /// Label and scores of an ONNX classifier; needs room for them.
    case classes(ClassScores)
    /// One after the other.
    case chain([OutputTransform])

    func followed(by next: OutputTransform) -> OutputTransform {
        switch self {
        case .identity: next
        case .chain(let steps): .chain(steps + [next])
        default: .chain([self, next])
        }
    }

    /// Results for `count` sums.
    func resultCount(_ count: Int) -> Int {
        switch self {
        case .classes(let scores): scores.scoreCount(count)
        case .chain(let steps): steps.reduce(count) { $1.resultCount($0) }
        default: count
        }
    }

    /// Sums and results a row that need room.
    func slotCount(groups: Int) -> Int {
        switch self {
        case .classes(let scores): scores.scoreCount(groups) + 1
        case .chain(let steps): steps.map { $0.slotCount(groups: groups) }.max() ?? groups
        default: groups
        }
    }

    /// Names of the outputs for `groups` sums.
    func outputNames(groups: Int, classes: Bool) -> [String] {
        if case .divided(_, let next) = self { return next.outputNames(groups: groups, classes: classes) }
        if self == .greatest { return ["label"] }
        let name = classes ? "probability" : "prediction"
        return groups == 1 ? [name] : (0..<groups).map { "\(name)_\($0)" }
    }

    /// Whether the outputs are probabilities.
    var givesProbabilities: Bool {
        switch self {
        case .sigmoid, .softmax: true
        case .divided(_, let next): next.givesProbabilities
        default: false
        }
    }

    /// Replaces the `count` sums of one row; precision is that of `Sum`, as in the library that trained the model.
    @inline(__always)
    func apply<Sum: ForestSum>(_ sums: UnsafeMutablePointer<Sum>, count: Int) {
        switch self {
        case .identity: return
        case .sigmoid(let scale):
            let factor = Sum(-scale)
            for i in 0..<count { sums[i] = Sum(1.0) / (Sum(1.0) + Sum.exponential(factor * sums[i])) }
        case .logistic: for i in 0..<count { sums[i] = Sum.logistic(sums[i]) }
        case .exponential: for i in 0..<count { sums[i] = Sum.exponential(sums[i]) }
        case .softplus: for i in 0..<count { sums[i] = Sum.logarithm1p(Sum.exponential(sums[i])) }
        case .softmax:
            var greatest = sums[0]
            for i in 1..<max(count, 1) where sums[i] > greatest { greatest = sums[i] }
            var total = Sum(0.0)
            for i in 0..<count {
                sums[i] = Sum.exponential(sums[i] - greatest)
                total += sums[i]
            }
            for i in 0..<count { sums[i] = sums[i] / total }
        case .greatest:
            var best = 0
            for i in 1..<max(count, 1) where sums[i] > sums[best] { best = i }
            sums[0] = Sum(Double(best))
        case .step: for i in 0..<count { sums[i] = sums[i] > Sum(0.0) ? Sum(1.0) : Sum(0.0) }
        case .signedSquare:
            for i in 0..<count { sums[i] = sums[i] < Sum(0.0) ? -(sums[i] * sums[i]) : sums[i] * sums[i] }
        case .divided(let divisor, let next):
            let divisor = Sum(divisor)
            for i in 0..<count { sums[i] = sums[i] / divisor }
            next.apply(sums, count: count)
        case .scaled(let factor):
            let factor = Sum(factor)
            for i in 0..<count { sums[i] = sums[i] * factor }
        case .shifted(let summand):
            let summand = Sum(summand)
            for i in 0..<count { sums[i] = sums[i] + summand }
        case .classes(let scores): scores.apply(sums, count: count)
        case .chain(let steps):
            var count = count
            for step in steps {
                step.apply(sums, count: count)
                count = step.resultCount(count)
            }
        }
    }
}
