import MillraceCore
import MillraceRuntime
import Testing

@Suite struct RoundTripTests {
    private static let columns: [(String, DataType)] = [
        ("i", .integer), ("l", .bigInt), ("d", .double), ("f", .float), ("b", .boolean), ("s", .string), ("x", .bytes),
        ("n", .decimal(precision: 38, scale: 9)), ("t", .timestamp(precision: 6)), ("z", .timestampLTZ(precision: 6)),
        ("y", .date), ("c", .time(precision: 6)),
    ]
    private static let nested: [(String, DataType)] = [
        ("r", .row([Field("p", .integer), Field("q", .array(.string))])), ("m", .map(key: .string, value: .double)),
    ]

    private func value(_ type: DataType, _ random: inout Seeded) -> Value {
        if Int.random(in: 0..<8, using: &random) == 0 { return .null }
        switch type {
        case .integer: return .integer(Int64(Int32.random(in: .min ... .max, using: &random)))
        case .bigInt: return .integer(Int64(bitPattern: random.next()) >> Int64.random(in: 0..<63, using: &random))
        case .double:
            let x = Double(bitPattern: random.next())
            return .double(x.isNaN ? .nan : x)
        case .float: return .double(Double(Float.random(in: -1e9...1e9, using: &random)))
        case .boolean: return .boolean(Bool.random(using: &random))
        case .string:
            let alphabet = Array("ab,;\"\\'\n\r\t é😀\u{1}{}[]:0")
            return .string(
                String(
                    (0..<Int.random(in: 1..<30, using: &random)).map { _ in alphabet.randomElement(using: &random)! }))
        case .bytes:
            return .bytes(
                (1..<Int.random(in: 2..<20, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) })
        case .decimal:
            return .decimal(
                Int128(Int64(bitPattern: random.next())) * Int128(Int64.random(in: 0...1_000_000, using: &random)))
        case .timestamp, .timestampLTZ:
            return .integer(Int64.random(in: -62_135_596_800_000_000...253_402_300_799_999_999, using: &random))
        case .date: return .integer(Int64.random(in: -719_162...2_932_896, using: &random))
        case .time: return .integer(Int64.random(in: 0..<86_400_000_000, using: &random))
        case .row(let fields): return .row(fields.map { value($0.type, &random) })
        case .array(let element):
            return .array((0..<Int.random(in: 0..<4, using: &random)).map { _ in value(element, &random) })
        case .map(_, let element):
            return .map(
                (0..<Int.random(in: 0..<4, using: &random)).map {
                    (key: .string("k\($0)"), value: value(element, &random))
                })
        default: return .null
        }
    }

    @Test(arguments: ["json", "csv"])
    func whatIsWrittenIsReadBack(_ format: String) throws {
        let columns = format == "json" ? RoundTripTests.columns + RoundTripTests.nested : RoundTripTests.columns
        let options = format == "csv" ? ["csv.null-literal": "<null>"] : [:]
        let harness = FormatHarness(format, columns, options: options)
        for seed in 0..<150 as Range<UInt64> {
            var random = Seeded(seed)
            let rows = (0..<4).map { _ in columns.map { value($0.1, &random) } }
            let decoded = try harness.decode(try harness.encode(rows))
            #expect(decoded.failures.map(\.detail) == [], "seed \(seed)")
            #expect(decoded.rows == rows, "seed \(seed)")
        }
    }

    /// Bytes of any kind, and valid messages with a few bytes changed: no crash, and rows, origins and failures agree.
    @Test(arguments: ["json", "csv"], ["false", "true"])
    func anyBytesAreSurvived(_ format: String, _ ignores: String) throws {
        let columns = format == "json" ? RoundTripTests.columns + RoundTripTests.nested : RoundTripTests.columns
        let harness = FormatHarness(format, columns, options: ["\(format).ignore-parse-errors": ignores])
        for seed in 0..<250 as Range<UInt64> {
            var random = Seeded(seed &+ 1000)
            var messages = try harness.encode((0..<6).map { _ in columns.map { value($0.1, &random) } }).map {
                Array($0.utf8)
            }
            for i in messages.indices {
                for _ in 0..<Int.random(in: 0..<4, using: &random) where !messages[i].isEmpty {
                    let at = Int.random(in: 0..<messages[i].count, using: &random)
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: messages[i][at] = UInt8.random(in: 0...255, using: &random)
                    case 1: messages[i].remove(at: at)
                    case 2: messages[i].insert(Array("{}[]\",:\\n0-e.tu".utf8).randomElement(using: &random)!, at: at)
                    default: messages[i].removeLast(messages[i].count - at)
                    }
                }
            }
            messages.append(
                (0..<Int.random(in: 0..<80, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) })
            let bracket = Array((format == "json" ? "[" : ",").utf8)
            messages.append(
                messages[0].isEmpty ? bracket : bracket + messages[0] + Array(",".utf8) + messages[1] + Array("]".utf8))
            let decoded = try harness.decode(messages)
            #expect(decoded.rows.count == decoded.origins.count)
            if ignores == "true" { #expect(decoded.failures.isEmpty, "seed \(seed)") }
            #expect(Set(decoded.failures.map(\.message)).isDisjoint(with: decoded.origins), "seed \(seed)")
        }
    }

    @Test func deepNestingIsRefused() throws {
        let harness = FormatHarness("json", [("s", .string)])
        let deep = "{\"s\":" + String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000) + "}"
        #expect(try harness.decode([deep]).failures.count == 1)
    }
}
