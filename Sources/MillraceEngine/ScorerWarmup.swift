internal import MillraceCore
internal import MillraceRuntime

/// Scores a few made-up rows, so that the first real ones meet pages, plans and buffers that are there.
enum ScorerWarmup {
    private static let rounds = 3

    /// One row, then a handful, of zeros and empty text. What the model makes of them does not matter.
    static func run(_ scorer: any Scorer, inputs: Schema, outputs: Schema) {
        let arena = BatchArena(chunkBytes: 1 << 12)
        for rows in [1, 8] {
            let columns = inputs.fields.map { field in
                let column = Column(field.type, capacity: rows)
                for _ in 0..<rows { column.append(zero(field.type), arena: arena) }
                return column
            }
            for _ in 0..<rounds {
                let results = outputs.fields.map { Column($0.type, capacity: rows) }
                scorer.score(columns, rows: rows, into: results, arena: arena)
            }
        }
    }

    private static func zero(_ type: DataType) -> Value {
        switch type.layout {
        case .int64: .integer(0)
        case .double: .double(0)
        case .decimal: .decimal(0)
        case .bytes: type.isCharacter ? .string("") : .bytes([])
        case .row: .row(type.childTypes.map(zero))
        case .list: .null
        }
    }
}
