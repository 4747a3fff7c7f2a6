import MillraceCore

/// How much state an operator holds.
public struct StateSize: Hashable, Sendable {
    /// Rows, groups or accumulators: what its docstring counts.
    public var rows: Int
    /// Keys that are known now.
    public var keys: Int
    /// Bytes in memory, estimated; what is free again for the next rows may count.
    public var bytes: Int

    public init(rows: Int, keys: Int, bytes: Int) {
        self.rows = rows
        self.keys = keys
        self.bytes = bytes
    }

    public static func += (sum: inout StateSize, other: StateSize) {
        sum.rows += other.rows
        sum.keys += other.keys
        sum.bytes += other.bytes
    }
}

/// An operator that keeps something of its rows, and can say how much at any moment, at no cost that grows with it.
package protocol SizedOperator: Operator {
    /// What it holds now.
    var stateSize: StateSize { get }
}

/// The state of one operator of a shard.
public struct OperatorState: Hashable, Sendable {
    /// Number in the plan, as `explain` prints it.
    public var node: Int
    /// The kind of operator: its class without the ending.
    public var kind: String
    /// The SQL object it stands for.
    public var object: String
    public var size: StateSize

    public init(node: Int, kind: String, object: String, size: StateSize) {
        self.node = node
        self.kind = kind
        self.object = object
        self.size = size
    }
}

/// Asks a shard's operators from time to time how much state they hold.
struct StateReporter {
    private let operators: [(node: Int, kind: String, operator: any SizedOperator)]
    private var lastReport = Int64.min
    private static let intervalMicroseconds: Int64 = 1_000_000

    init(_ operators: [Operator]) {
        self.operators = operators.enumerated().compactMap { node, each in
            guard let sized = each as? any SizedOperator else { return nil }
            var kind = String(describing: type(of: each))
            if kind.hasSuffix("Operator") { kind.removeLast("Operator".count) }
            return (node, kind, sized)
        }
    }

    /// The sizes, once a second; nil in between, and where no operator has state.
    ///
    /// - Parameter now: monotonic microseconds; Int64.max: the last report.
    mutating func report(_ now: Int64) -> [OperatorState]? {
        let next = lastReport == Int64.min ? Int64.min : lastReport + StateReporter.intervalMicroseconds
        guard !operators.isEmpty, now >= next else { return nil }
        if now != Int64.max { lastReport = now }
        return operators.map {
            OperatorState(node: $0.node, kind: $0.kind, object: $0.operator.object, size: $0.operator.stateSize)
        }
    }
}

extension OpenWindow {
    /// Of a group, beside its record: its key, and its places in lists and table.
    static let groupBytes = 28
}
