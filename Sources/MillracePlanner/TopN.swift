import MillraceCore

/// A rank by time, as its OVER node computes it, and where it is written.
struct TimeRank: Hashable {
    var function: WindowRankPlan.Function
    var range: SourceRange
}

/// What is known of ranks whose rows change.
enum TopN {
    static func cause(_ clause: String, _ range: SourceRange, isBounded: Bool) -> UpdateCause {
        UpdateCause(
            clause: clause, range: range,
            hint: isBounded
                ? "Leave out SET 'execution.runtime-mode' = 'streaming': bounded input then gives its result once, at the end."
                : "Rank within a window (PARTITION BY window_start, window_end, …), or write to a table that takes changes, such"
                    + " as print.")
    }

    /// Columns of rows that come late or again: their time no longer passes with the watermark.
    static func columns(_ columns: [OutputColumn]) -> [OutputColumn] {
        columns.map { column in
            var column = column
            if column.time == .event || column.time == .processing {
                column.time = .lost("a rank gives rows when others take their places")
            }
            return column
        }
    }

    /// An update moves a row forward only: COUNT and MAX in descending order, MIN in ascending order.
    static func movesRows(_ node: LogicalNode, _ order: [SortKey]) -> Bool {
        guard order.count == 1, let first = order.first else { return false }
        var (node, column) = (node, first.column)
        while true {
            switch node.kind {
            case .filter: node = node.inputs[0]
            case .project(let expressions):
                guard column < expressions.count, case .column(let index, _) = expressions[column] else { return false }
                (node, column) = (node.inputs[0], index)
            case .updatingAggregate(let keys, let aggregates, _):
                guard node.inputs[0].updates == nil, column >= keys.count else { return false }
                switch aggregates[column - keys.count].function {
                case .count, .countAll, .maximum: return first.isDescending
                case .minimum: return !first.isDescending
                default: return false
                }
            default: return false
            }
        }
    }
}

extension QueryBinder {
    /// - Parameter columns: those of the input, then the rank.
    func topN(_ plan: TopNPlan, _ input: LogicalNode, _ columns: [OutputColumn], _ cause: UpdateCause?) -> LogicalNode {
        var plan = plan
        plan.isFinal = !isContinuous(input)
        plan.stateTTLMilliseconds = plan.isFinal ? nil : stateTTLMilliseconds
        // The first rows to come stay the first.
        let isFixed = plan.order.isEmpty && !plan.prefersNewest && input.updates == nil
        return LogicalNode(
            .topN(plan), inputs: [input], columns: TopN.columns(columns), object: object,
            updates: plan.isFinal || isFixed ? nil : cause)
    }
}

extension LogicalNode {
    /// No restart reads parts of its input again: files, generated rows.
    var isReadOnce: Bool { isBounded && streamScans.allSatisfy { $0.table.connector?.name != "kafka" } }
}
