import MillraceCore
import MillraceFormats
import MillraceRuntime

/// Decodes and encodes through the public factory, with values as data.
struct FormatHarness {
    var format: String
    var options: [String: String] = [:]
    var physical: Schema
    var fields: [SourceField]

    init(_ format: String, _ columns: [(String, DataType)], options: [String: String] = [:]) {
        self.format = format
        self.options = options
        physical = Schema(columns.map { Field($0.0, $0.1) })
        fields = columns.map { SourceField(name: $0.0, origin: .physical(path: [$0.0]), type: $0.1) }
    }

    struct Decoded {
        var rows: [[Value]]
        var origins: [Int32]
        var failures: [DecodeFailure]
    }

    func decode(_ lines: [String]) throws -> Decoded { try decode(lines.map { Array($0.utf8) }) }

    func decode(_ messages: [[UInt8]]) throws -> Decoded {
        let decoder = try Formats().makeDecoder(
            format: format, part: nil, options: options, physical: physical, fields: fields)
        let input = BatchArena()
        let arena = BatchArena()
        let refs = messages.map { input.copy($0) }
        let columns = fields.map { Column($0.type, capacity: 1) }
        var origins: [Int32] = []
        var failures: [DecodeFailure] = []
        refs.withUnsafeBufferPointer {
            decoder.decode($0, into: columns, origins: &origins, failures: &failures, arena: arena)
        }
        let rows = origins.indices.map { row in columns.map { $0.value(at: row) } }
        for column in columns { precondition(column.count == origins.count) }
        return Decoded(rows: rows, origins: origins, failures: failures)
    }

    /// The only cell of the only message; `.string("!")` stands for a failed message.
    func cell(_ line: String) throws -> Value {
        let decoded = try decode([line])
        guard decoded.failures.isEmpty else { return .string("!") }
        return decoded.rows.first?.first ?? .string("no row")
    }

    func encode(_ rows: [[Value]]) throws -> [String] {
        let encoder = try Formats().makeEncoder(
            format: format, part: nil, options: options, schema: physical, columns: Array(0..<physical.count))
        let arena = BatchArena()
        let batch = ColumnBatch(physical)
        for row in rows {
            for (column, value) in zip(batch.columns, row) { column.append(value, arena: arena) }
            batch.count += 1
        }
        return try rows.indices.map { row in
            let buffer = ByteBuffer()
            try encoder.encode(batch, row: row, into: buffer)
            return buffer.text
        }
    }
}

let failed = Value.string("!")

/// A small generator with a known seed (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
