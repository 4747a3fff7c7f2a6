import MillraceCore
import MillraceTestSupport

/// OVER on arrival by its definition: every row looks at the rows of its key that are there, each time anew.
struct SlowOverArrival {
    struct Row {
        var time: Int64
        var value: Int64?
        var amount: Double?
    }
    let plan: OverPlan
    let delay: Int64
    /// By key: rows by time, equal times by arrival; what is too old is gone.
    private var rows: [Value: [Row]] = [:]
    /// By key, in order of arrival.
    private var all: [Value: [Row]] = [:]
    private(set) var late = 0
    private(set) var outOfOrder = 0
    private var watermark = EventTime.none

    init(_ plan: OverPlan, delay: Int64) {
        self.plan = plan
        self.delay = delay
    }

    private var spans: [Int64] { plan.frames.compactMap { plan.spanMilliseconds($0.extent) } }
    /// Newest rows that stay whatever their age.
    private var kept: Int {
        plan.frames.flatMap { frame in
            plan.spanMilliseconds(frame.extent) != nil
                ? []
                : frame.calls.map { call -> Int in
                    if case .lag(_, let offset, _, _) = call { return offset }
                    if case .rows(let preceding?) = frame.extent { return preceding + 1 }
                    return 0
                }
        }.max() ?? 0
    }

    mutating func answer(_ key: Value, _ row: Row) -> [Value] {
        if row.time <= watermark { late += 1 }
        let horizon = watermark == EventTime.none ? .min : watermark - (spans.max() ?? 0)
        var known = rows[key] ?? []
        let place = known.firstIndex { $0.time > row.time } ?? known.count
        if place < known.count { outOfOrder += 1 }
        all[key, default: []].append(row)
        var cells: [Value] = []
        for frame in plan.frames {
            let span = plan.spanMilliseconds(frame.extent)
            let floor = min(
                spans.isEmpty ? known.count : known.firstIndex { $0.time >= horizon } ?? known.count, known.count - kept
            )
            var before = Array(known[min(max(0, floor), place)..<place])
            if let span { before = before.filter { $0.time >= max(row.time - span, horizon) } }
            for call in frame.calls {
                if case .lag(_, let offset, _, _) = call {
                    let seen = before + [row]
                    cells.append(seen.count > offset ? cell(seen[seen.count - 1 - offset].value) : .null)
                    continue
                }
                var inFrame = before + [row]
                if case .rows(let preceding?) = frame.extent { inFrame = inFrame.suffix(preceding + 1) }
                var isUnbounded = span == nil
                if case .rows(.some) = frame.extent { isUnbounded = false }
                if isUnbounded { inFrame = all[key] ?? [] }
                if case .aggregate(let aggregate) = call { cells.append(result(aggregate, inFrame)) }
            }
        }
        if !spans.isEmpty || kept > 0 {
            known.insert(row, at: place)
            let isWorth = !spans.isEmpty && row.time >= horizon || known.count - 1 - place < kept
            if !isWorth, place < known.count - 1 { known.remove(at: place) }
            while known.count > kept, spans.isEmpty || known[0].time < horizon { known.removeFirst() }
            rows[key] = known
        }
        watermark = max(watermark, row.time - delay)
        return cells
    }

    private func cell(_ value: Int64?) -> Value { value.map { .integer($0) } ?? .null }

    private func result(_ call: AggregateCall, _ rows: [Row]) -> Value {
        let values = rows.compactMap(\.value)
        let amounts = rows.compactMap(\.amount)
        switch call.function {
        case .countAll: return .integer(Int64(rows.count))
        case .count: return .integer(Int64(call.isDistinct ? Set(values).count : values.count))
        case .sum where call.argument == 2: return cell(values.isEmpty ? nil : values.reduce(0, +))
        case .sum: return amounts.isEmpty ? .null : .double(amounts.reduce(0, +))
        case .average: return amounts.isEmpty ? .null : .double(amounts.reduce(0, +) / Double(amounts.count))
        case .minimum: return cell(values.min())
        case .maximum: return cell(values.max())
        case .firstValue: return cell(values.first)
        case .lastValue: return cell(values.last)
        case .stddevSamp:
            guard amounts.count > 1 else { return .null }
            let mean = amounts.reduce(0, +) / Double(amounts.count)
            let squares = amounts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            return .double((squares / Double(amounts.count - 1)).squareRoot())
        default: return .null
        }
    }
}

/// Equal, but for what rounding makes of DOUBLE.
func isClose(_ a: [Value], _ b: [Value], tolerance: Double = 1e-9) -> Bool {
    a.count == b.count
        && zip(a, b).allSatisfy { x, y in
            if case .double(let x) = x, case .double(let y) = y {
                return abs(x - y) <= tolerance * max(1, abs(x), abs(y))
            }
            return x == y
        }
}
