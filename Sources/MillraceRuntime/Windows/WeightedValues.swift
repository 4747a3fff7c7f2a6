import MillraceCore

/// The values of a PERCENTILE, each with its weight, in order. A value costs O(log n) and a move of memory.
final class WeightedValues {
    private var values: [Double] = []
    private var weights: [Int64] = []
    private var total: Int64 = 0

    var isEmpty: Bool { total <= 0 }

    /// Takes a value `weight` times; a negative weight takes it back.
    func add(_ value: Double, weight: Int64) {
        guard weight != 0 else { return }
        var (low, high) = (0, values.count)
        while low < high {
            let middle = (low + high) / 2
            if TotalOrder.key(values[middle]) < TotalOrder.key(value) { low = middle + 1 } else { high = middle }
        }
        if low < values.count, TotalOrder.key(values[low]) == TotalOrder.key(value) {
            weights[low] += weight
            if weights[low] == 0 {
                values.remove(at: low)
                weights.remove(at: low)
            }
        } else {
            values.insert(value, at: low)
            weights.insert(weight, at: low)
        }
        total += weight
    }

    func write(to buffer: ByteBuffer) {
        buffer.append(varint: UInt64(values.count))
        for (value, weight) in zip(values, weights) {
            buffer.append(raw: value)
            buffer.append(signed: weight)
        }
    }

    /// Reads what `write` wrote; empty before.
    func read(from reader: inout StateReader) {
        for _ in 0..<reader.count() where !reader.isDamaged {
            values.append(reader.raw(Double.self, otherwise: 0))
            weights.append(reader.signed())
            total += weights[weights.count - 1]
        }
    }

    func merge(_ other: WeightedValues) {
        for (value, weight) in zip(other.values, other.weights) { add(value, weight: weight) }
    }

    /// Appends the percentiles as the call's type says: DOUBLE, or ARRAY<DOUBLE>. NULL without values.
    func append(_ call: AggregateCall, to column: Column) {
        guard !isEmpty else { return column.appendNull() }
        if call.function == .areaUnderCurve {
            guard let area = AreaUnderCurve.of(weights) else { return column.appendNull() }
            return column.append(double: area)
        }
        guard column.layout == .list else { return column.append(double: percentile(call.percentages[0])) }
        let start = Int32(column.children[0].count)
        for percentage in call.percentages { column.children[0].append(double: percentile(percentage)) }
        column.append(list: ListRef(start: start, count: Int32(call.percentages.count)))
    }

    /// Between the two values nearest to `1 + percentage * (n - 1)`, counted from 1; computed as Flink does.
    private func percentile(_ percentage: Double) -> Double {
        let position = Double(total - 1) * percentage + 1
        let lower = Int64(position)
        let fraction = position - Double(lower)
        let low = value(at: lower)
        if fraction == 0 || lower >= total { return low }
        return (1 - fraction) * low + fraction * value(at: lower + 1)
    }

    /// Places count from 1.
    private func value(at place: Int64) -> Double {
        var seen: Int64 = 0
        for (value, weight) in zip(values, weights) {
            seen += weight
            if seen >= place { return value }
        }
        return values.last ?? 0
    }
}
