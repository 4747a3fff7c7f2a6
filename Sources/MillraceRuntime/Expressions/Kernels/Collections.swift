import MillraceCore

extension ExpressionCompiler {
    /// The families ARRAY_… and MAP_….
    mutating func collections(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        switch function {
        case .arrayElement:
            return rows(arguments, type) {
                $0[0].elements.count > 1 ? .error(.invalidArgument) : $0[0].elements.first ?? .null
            }
        case .arrayAppend: return rows(arguments, type, isStrict: false) { Collections.adding($0, atStart: false) }
        case .arrayPrepend: return rows(arguments, type, isStrict: false) { Collections.adding($0, atStart: true) }
        case .arrayConcat: return rows(arguments, type) { .array($0.flatMap(\.elements)) }
        case .arrayDistinct: return rows(arguments, type) { .array(Collections.distinct($0[0].elements)) }
        case .arrayUnion: return rows(arguments, type) { .array(Collections.distinct($0.flatMap(\.elements))) }
        case .arrayExcept:
            return rows(arguments, type) {
                let without = Set($0[1].elements)
                return .array(Collections.distinct($0[0].elements.filter { !without.contains($0) }))
            }
        case .arrayIntersect:
            return rows(arguments, type) {
                let both = Set($0[1].elements)
                return .array(Collections.distinct($0[0].elements.filter { both.contains($0) }))
            }
        case .arrayJoin:
            return rows(arguments, type) { values in
                let parts = values[0].elements.compactMap { element -> String? in
                    if case .string(let text) = element { return text }
                    return values.count > 2 ? values[2].text : nil
                }
                return .string(parts.joined(separator: values[1].text))
            }
        case .arrayMax, .arrayMin:
            let order: Int = function == .arrayMax ? 1 : -1
            return rows(arguments, type) { values in
                var best = Value.null
                for element in values[0].elements where element != .null {
                    if best == .null || Collections.compare(element, best) * order > 0 { best = element }
                }
                return best
            }
        case .arrayPosition:
            return rows(arguments, type) { values in
                .integer(Int64((values[0].elements.firstIndex { $0 == values[1] } ?? -1) + 1))
            }
        case .arrayRemove:
            return rows(arguments, type, isStrict: false) { values in
                values[0] == .null ? .null : .array(values[0].elements.filter { $0 != values[1] })
            }
        case .arrayReverse: return rows(arguments, type) { .array($0[0].elements.reversed()) }
        case .arraySlice:
            return rows(arguments, type) { values in
                Collections.slice(values[0].elements, values[1].number, values.count > 2 ? values[2].number : nil)
            }
        case .arraySort:
            return rows(arguments, type) { values in
                let ascends = values.count < 2 || values[1].number != 0
                let nullsFirst = values.count < 3 ? ascends : values[2].number != 0
                return .array(Collections.sorted(values[0].elements, ascends: ascends, nullsFirst: nullsFirst))
            }
        case .mapKeys: return rows(arguments, type) { .array($0[0].pairs.map(\.key)) }
        case .mapValues: return rows(arguments, type) { .array($0[0].pairs.map(\.value)) }
        case .mapEntries: return rows(arguments, type) { .array($0[0].pairs.map { .row([$0.key, $0.value]) }) }
        case .mapUnion: return rows(arguments, type) { .map(Collections.merged($0.flatMap(\.pairs))) }
        case .mapFromArrays:
            return rows(arguments, type) { values in
                let (keys, items) = (values[0].elements, values[1].elements)
                guard keys.count == items.count else { return .error(.invalidArgument) }
                return .map(Collections.merged(zip(keys, items).map { (key: $0, value: $1) }))
            }
        default: return nil
        }
    }
}

/// Arrays and maps as data. Elements are the same when they are not distinct: NULL is NULL.
enum Collections {
    static func adding(_ values: [Value], atStart: Bool) -> Value {
        guard values[0] != .null else { return .null }
        return .array(atStart ? [values[1]] + values[0].elements : values[0].elements + [values[1]])
    }

    /// Every value once, where it came first.
    static func distinct(_ values: [Value]) -> [Value] {
        var seen: Set<Value> = []
        return values.filter { seen.insert($0).inserted }
    }

    /// Every key once, with its last value.
    static func merged(_ pairs: [(key: Value, value: Value)]) -> [(key: Value, value: Value)] {
        var places: [Value: Int] = [:]
        var result: [(key: Value, value: Value)] = []
        for pair in pairs {
            if let place = places[pair.key] {
                result[place].value = pair.value
            } else {
                places[pair.key] = result.count
                result.append(pair)
            }
        }
        return result
    }

    /// Both ends within, from 1; negative ones count from the end; outside they are moved to the array's ends.
    static func slice(_ values: [Value], _ start: Int64, _ end: Int64?) -> Value {
        if values.isEmpty { return .array([]) }
        let count = Int64(values.count)
        let first = max(1, start < 0 ? start + count + 1 : start)
        var last = end ?? count
        if last < 0 { last += count + 1 }
        last = last == 0 ? 1 : min(last, count)
        guard first <= last, first <= count else { return .array([]) }
        return .array(Array(values[Int(first - 1)..<Int(last)]))
    }

    static func sorted(_ values: [Value], ascends: Bool, nullsFirst: Bool) -> [Value] {
        let present = values.enumerated().filter { $0.element != .null }.sorted { a, b in
            let order = compare(a.element, b.element)
            return order == 0 ? a.offset < b.offset : (order < 0) == ascends
        }.map(\.element)
        let nulls = Array(repeating: Value.null, count: values.count - present.count)
        return nullsFirst ? nulls + present : present + nulls
    }

    /// -1, 0 or 1 for values of one type that are not NULL. Text goes by its UTF-8 bytes.
    static func compare(_ a: Value, _ b: Value) -> Int {
        func order<T: Comparable>(_ x: T, _ y: T) -> Int { x < y ? -1 : (x > y ? 1 : 0) }
        switch (a, b) {
        case (.integer(let x), .integer(let y)): return order(x, y)
        case (.double(let x), .double(let y)): return order(x, y)
        case (.decimal(let x), .decimal(let y)): return order(x, y)
        case (.string, .string), (.bytes, .bytes):
            let (x, y) = (a.octets, b.octets)
            if x == y { return 0 }
            return x.lexicographicallyPrecedes(y) ? -1 : 1
        case (.array(let x), .array(let y)), (.row(let x), .row(let y)):
            for (p, q) in zip(x, y) where p != q {
                if p == .null { return -1 }
                return q == .null ? 1 : compare(p, q)
            }
            return order(x.count, y.count)
        default: return 0
        }
    }
}
