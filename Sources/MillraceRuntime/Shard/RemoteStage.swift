import MillraceCore

/// A remote model as its shard sees it: when it has to be driven, which sources feed it.
final class RemoteStage {
    let model: RemotePredictOperator
    /// Sources, as indices into the plan's, whose rows come to it.
    let feeds: Set<Int>
    /// To be driven at the next occasion.
    var isReady = true

    init(_ model: RemotePredictOperator, inputs: [ShardInput]) {
        self.model = model
        feeds = Set(inputs.filter { RemoteStage.leads(from: $0.head, to: model) }.map(\.index))
    }

    private static func leads(from head: Operator, to target: Operator) -> Bool {
        var seen: Set<ObjectIdentifier> = []
        var next = [head]
        while let each = next.popLast() {
            if each === target { return true }
            if seen.insert(ObjectIdentifier(each)).inserted { next += each.outputs.map(\.target) }
        }
        return false
    }

    func isFull(_ input: ShardInput) -> Bool { model.isFull && feeds.contains(input.index) }

    /// How long the shard may sleep as far as this model goes, microseconds; 0 or less: not at all.
    func patience(_ now: Int64) -> Int64 {
        let patience: Int64 = model.isBusy && (isReady || model.descriptor < 0) ? 1000 : .max
        return min(patience, model.deadline.map { $0 - now } ?? .max)
    }

    func isDue(_ now: Int64) -> Bool {
        if isReady || model.descriptor < 0 { return true }
        guard let deadline = model.deadline else { return false }
        return now >= deadline
    }
}
