import MillraceCore

extension WindowSlicing {
    /// The slicing of HOP windows over `node` that gives lists Flink's order, and sums of group windows its digits; nil: none
    /// is needed, or possible.
    ///
    /// - Parameter isFunction: the window is a table function's, not `GROUP BY HOP(…)`.
    static func of(
        _ kind: WindowKind, isFunction: Bool, isPreaggregated: Bool, _ calls: [AggregateCall], _ node: LogicalNode
    ) -> WindowSlicing? {
        guard case .hop = kind, node.isReadOnce, node.updates == nil else { return nil }
        let isOrdered = calls.contains { call in
            switch call.function {
            case .listAgg, .arrayAgg: true
            // Table functions add these in parts.
            case .sum, .average: !isFunction && call.argument.map { node.columns[$0].type.layout == .double } ?? false
            case .stddevPop, .stddevSamp, .varPop, .varSamp: !isFunction
            default: false
            }
        }
        return isOrdered ? WindowSlicing(isPreaggregated: isPreaggregated, mergesNewestFirst: isFunction) : nil
    }
}
