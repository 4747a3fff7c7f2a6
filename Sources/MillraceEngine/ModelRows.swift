internal import Glibc
internal import MillraceCore
internal import MillraceFormats
internal import MillraceRuntime

/// Rows for a model: of a CSV file with a header line, or made up.
struct ModelRows {
    let schema: Schema
    let columns: [Column]
    var count: Int { columns.first?.count ?? 0 }
    /// Where they come from, for the report.
    let origin: String
    private let arena: BatchArena
    /// Text cells may point into the file.
    private let file: FileBytes?

    private final class FileBytes {
        let start: UnsafeMutablePointer<UInt8>
        let count: Int
        init(_ text: String) {
            let bytes = Array(text.utf8)
            count = bytes.count
            start = .allocate(capacity: max(count, 1))
            start.initialize(from: bytes, count: count)
        }
        deinit { start.deallocate() }
    }

    /// Reads the columns of the inputs by name, or by position when the model names none of its inputs.
    ///
    /// An empty field is NULL. Fields that hold line breaks are not understood.
    /// - Throws: `.user` for a missing file or column and for a field of the wrong type.
    init(csv path: String, inputs: [Field], isNamed: Bool) throws(Diagnostic) {
        let file = FileBytes(try TextFile.read(path))
        self.file = file
        let arena = BatchArena()
        self.arena = arena
        var lines: [ByteRef] = []
        var at = 0
        while at < file.count {
            var end = at
            while end < file.count, file.start[end] != 0x0A { end += 1 }
            let isReturn = end > at && file.start[end - 1] == 0x0D
            let line = ByteRef(start: UnsafePointer(file.start + at), count: end - at - (isReturn ? 1 : 0))
            if line.count > 0 { lines.append(line) }
            at = end + 1
        }
        guard let header = lines.first else {
            throw Diagnostic("\"\(path)\" is empty", hint: "Its first line names columns.")
        }
        let names = String(decoding: header.buffer, as: UTF8.self).split(
            separator: ",", omittingEmptySubsequences: false
        ).map { name in String(name.filter { $0 != "\"" && $0 != "\u{FEFF}" }) }
        let positions = try ModelRows.positions(of: inputs, in: names, isNamed: isNamed, path: path)
        var physical = names.indices.map { Field("c\($0)", .string) }
        for (input, position) in zip(inputs, positions) { physical[position].type = input.type }
        let decoder = try Formats().makeDecoder(
            format: "csv", part: nil, options: [:], physical: Schema(physical),
            fields: zip(inputs, positions).map { input, position in
                SourceField(name: input.name, origin: .physical(path: ["c\(position)"]), type: input.type)
            })
        let columns = inputs.map { Column($0.type, capacity: lines.count) }
        var origins: [Int32] = []
        var failures: [DecodeFailure] = []
        Array(lines.dropFirst()).withUnsafeBufferPointer {
            decoder.decode($0, into: columns, origins: &origins, failures: &failures, arena: arena)
        }
        if let failure = failures.first {
            throw Diagnostic(
                "\"\(path)\" line \(Int(failure.message) + 2): \(failure.detail)",
                hint: "Fields are cast to the types that millrace model inspect prints; an empty one is NULL.")
        }
        guard !origins.isEmpty else { throw Diagnostic("\"\(path)\" has no rows below its header") }
        schema = Schema(inputs)
        self.columns = columns
        origin = path
    }

    private static func positions(of inputs: [Field], in names: [String], isNamed: Bool, path: String)
        throws(Diagnostic)
        -> [Int]
    {
        let lowercased = names.map { $0.lowercased() }
        let found = inputs.map { lowercased.firstIndex(of: $0.name.lowercased()) }
        if !found.contains(nil) { return found.map { $0! } }
        guard isNamed else {
            guard names.count >= inputs.count else {
                throw Diagnostic(
                    "\"\(path)\" has \(names.count) columns, the model takes \(inputs.count)",
                    hint: "The model does not name its inputs: they are the file's first columns, in order.")
            }
            return Array(inputs.indices)
        }
        let missing = zip(inputs, found).filter { $1 == nil }.map(\.0.name)
        throw Diagnostic(
            "\"\(path)\" has no column \"\(missing[0])\"",
            hint: NearestName.hint(missing[0], in: names)
                ?? "The header line names \(names.prefix(40).joined(separator: ", ")); missing are "
                + "\(missing.prefix(40).joined(separator: ", ")).")
    }

    /// Numbers of several sizes from a fixed seed; whole ones for tensors of whole numbers, single letters for text.
    init(random count: Int, inputs: [Field]) {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
        func unit() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }
        let arena = BatchArena()
        let columns = inputs.map { Column($0.type, capacity: count) }
        for _ in 0..<count {
            for (input, column) in zip(inputs, columns) {
                switch input.type {
                case .boolean: column.append(int: Int64(next() & 1))
                case let type where type.isInteger: column.append(int: Int64(unit() * 10))
                case let type where type.isCharacter:
                    column.append(.string(String(UnicodeScalar(UInt8(97 + next() % 26)))), arena: arena)
                default:
                    let size = pow(10, unit() * 3 - 1)
                    column.append(.double(next() & 1 == 0 ? size : -size), arena: arena)
                }
            }
        }
        schema = Schema(inputs)
        self.columns = columns
        self.arena = arena
        file = nil
        origin = "random rows (seeded; --rows FILE.csv takes real ones, whose paths through a model may be shorter)"
    }

    /// The rows in pieces of `size`, as a scorer takes them; what is left over is dropped.
    func batches(of size: Int) -> [[Column]] {
        (0..<count / size).map { batch in
            columns.enumerated().map { index, column in
                let piece = Column(schema[index].type, capacity: size)
                for row in batch * size..<(batch + 1) * size { piece.append(column.value(at: row), arena: arena) }
                return piece
            }
        }
    }
}
