import MillraceCore

extension Explain {
    static func overFacts(_ over: OverPlan, _ input: Schema) -> [String] {
        let time = over.timeColumn.map { "event time \(input[$0].name)" } ?? "processing time"
        var lines = ["over rows by \(time)\(over.isOnArrival ? ", on arrival" : "")"]
        if !over.keys.isEmpty { lines.append("keys: \(over.keys.map { input[$0].name }.joined(separator: ", "))") }
        if over.isPartitionLocal {
            lines.append("the keys contain the message key: each partition goes by its own watermark")
        }
        for frame in over.frames {
            lines.append(extent(frame.extent))
            lines += frame.calls.map { "  " + overCall($0, input) }
        }
        if over.isOnArrival { lines.append(state(over)) }
        return lines
    }

    private static func state(_ over: OverPlan) -> String {
        guard let retention = over.retentionMilliseconds else { return "state: of each key for ever" }
        // A TTL ends before the row that is as old.
        let isTTL = over.stateTTLMilliseconds.map { $0 - 1 == retention } ?? false
        return
            "state: rows of \(ExpressionText.duration((isTTL ? retention + 1 : retention) * 1000)) before the watermark"
    }

    static func topNFacts(_ top: TopNPlan, _ input: Schema) -> [String] {
        let ranks = top.last.map { top.first == $0 ? "\($0)" : "\(top.first) to \($0)" } ?? "from \(top.first)"
        let timing =
            top.isFinal
            ? "at the end of the input"
            : "a change for every row" + (top.inputRetracts ? "; the input takes rows back" : "")
                + (top.emitsBefore ? "" : "; updates without the row before")
        return ["\(top.function.rawValue) \(ranks), \(timing)"]
            + (top.keys.isEmpty ? [] : ["keys: \(top.keys.map { input[$0].name }.joined(separator: ", "))"])
            + ["order: \(top.order.isEmpty ? "arrival" : order(top.order, input))"]
            + (top.prefersNewest ? ["of equal rows the newest first"] : [])
            + ttl(top.stateTTLMilliseconds, "a partition", "its rows last changed")
    }

    private static func extent(_ extent: OverFrame.Extent) -> String {
        switch extent {
        case .rows(nil): "ROWS from the first one"
        case .rows(let preceding?): "ROWS \(preceding) preceding"
        case .range(nil): "RANGE from the first row"
        case .range(let preceding?): "RANGE \(ExpressionText.duration(preceding * 1000)) preceding"
        }
    }

    private static func overCall(_ over: OverCall, _ input: Schema) -> String {
        switch over {
        case .aggregate(let aggregate): call(aggregate, input)
        case .lag(let argument, let offset, let otherwise, let type):
            "LAG(\(input[argument].name), \(offset)\(otherwise.map { ", \(input[$0].name)" } ?? "")) : \(type)"
        }
    }

    static func order(_ keys: [SortKey], _ input: Schema) -> String {
        keys.map { key in
            let nulls = key.nullsFirst == key.isDescending ? (key.nullsFirst ? " NULLS FIRST" : " NULLS LAST") : ""
            return input[key.column].name + (key.isDescending ? " DESC" : "") + nulls
        }.joined(separator: ", ")
    }
}
