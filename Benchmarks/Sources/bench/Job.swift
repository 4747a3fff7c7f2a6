import ArgumentParser

/// What is measured: the two jobs of docs/performance.md.
enum Job: String, CaseIterable, ExpressibleByArgument {
    /// Score a JSON event with 100 trees, one row out.
    case a
    /// Join with 50 rows, TUMBLE SUM and COUNT by region.
    case b

    var columns: String {
        switch self {
        case .a: "event_id bigint, ts bigint, account text, amount float8, country text, score float8"
        case .b: "window_start bigint, region text, total float8, cnt bigint"
        }
    }
}

/// What is offered to the engine.
enum Load: Hashable {
    /// Events a second, each at its due time.
    case rate(Int)
    /// So many events that stand in the topic before the engine starts.
    case backlog(Int)

    var name: String {
        switch self {
        case .rate(let events): "\(grouped(events))/s"
        case .backlog(let events): "backlog of \(grouped(events))"
        }
    }
}

/// `1,500,000`.
func grouped(_ value: Int) -> String {
    var text = ""
    for (i, digit) in String(abs(value)).reversed().enumerated() {
        if i > 0, i % 3 == 0 { text = "," + text }
        text = String(digit) + text
    }
    return (value < 0 ? "-" : "") + text
}
