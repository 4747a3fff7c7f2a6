internal import Glibc
public import MillraceCore
internal import MillraceModels
internal import MillraceRuntime

/// `millrace model bench` and `millrace model predict`.
public enum ModelBench {
    /// What is measured, and how long.
    public struct Settings: Sendable {
        /// A CSV file with a header line; nil for random rows.
        public var rows: String?
        /// Rows a call.
        public var batches: [Int]
        /// For each batch size.
        public var seconds: Double
        /// Options of `CREATE MODEL`.
        public var options: [String: String]
        public init(rows: String?, batches: [Int], seconds: Double, options: [String: String]) {
            self.rows = rows
            self.batches = batches
            self.seconds = seconds
            self.options = options
        }
    }

    private struct Line {
        var batch: Int
        var p50: Double
        var p99: Double
        var most: Double
        var rowsPerSecond: Double
    }

    /// Latency of a call and rows a second of one thread, for each batch size; an ONNX file that is evaluated natively is
    /// measured in ONNX Runtime as well, when that is there.
    ///
    /// - Throws: `.user` for a model or a file of rows that cannot be read, and for a model that fails on every row.
    public static func text(path: String, _ settings: Settings) throws(Diagnostic) -> String {
        let (provider, model) = try ModelProviders.inspect(path: path, options: settings.options)
        let (rows, outputs) = try prepare(model, settings)
        var text = "\(path): \(provider), version \(model.version)\n"
        text += "rows: \(rows.count) of \(rows.origin)\n"
        let runtime = model.signature.facts.first { $0.hasPrefix("runtime: ") }?.dropFirst(9)
        let lines = try measure(model, rows, outputs, settings)
        text += table(String(runtime ?? "native trees"), lines)
        guard provider == "onnx", runtime == "native trees", settings.options["runtime"] == nil else { return text }
        do throws(Diagnostic) {
            let options = settings.options.merging(["runtime": "onnxruntime"]) { $1 }
            let library = try ModelProviders.inspect(path: path, options: options).model
            let other = try measure(library, rows, outputs, settings)
            let name = library.signature.facts.first { $0.hasPrefix("runtime: ") }?.dropFirst(9) ?? "ONNX Runtime"
            text += table(String(name), other)
            let ratios = zip(lines, other).map { "\($0.batch): \(fixed($1.p50 / $0.p50, 1))" }
            text += "\nONNX Runtime's p50 over the native one, by batch: \(ratios.joined(separator: ", "))\n"
        } catch {
            text += "\n(not compared with ONNX Runtime: \(error.message))\n"
        }
        return text
    }

    /// The outputs of the rows of a CSV file, as CSV with a header line.
    public static func predictions(path: String, rows file: String, options: [String: String]) throws(Diagnostic)
        -> String
    {
        let model = try ModelProviders.inspect(path: path, options: options).model
        let (rows, outputs) = try prepare(model, Settings(rows: file, batches: [1], seconds: 0, options: options))
        let scorer = try model.makeScorer(inputs: rows.schema, outputs: Schema(outputs), maxRows: 256)
        let results = outputs.map { Column($0.type) }
        let arena = BatchArena()
        scorer.score(rows.columns, rows: rows.count, into: results, arena: arena)
        var text = outputs.map(\.name).joined(separator: ",") + "\n"
        for row in 0..<rows.count {
            text += results.map { cell($0.value(at: row)) }.joined(separator: ",") + "\n"
        }
        return text
    }

    private static func cell(_ value: Value) -> String {
        switch value {
        case .double(let x): "\(x)"
        case .integer(let x): "\(x)"
        case .string(let text):
            text.contains { $0 == "," || $0 == "\"" || $0.isNewline }
                ? "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
                : text
        case .error(let code): "error: \(code)"
        default: ""
        }
    }

    private static func prepare(_ model: any Model, _ settings: Settings) throws(Diagnostic) -> (ModelRows, [Field]) {
        let signature = model.signature
        let inputs = ModelReport.columns(signature.inputs, fallback: "f").map { column in
            Field(column.name, column.type == .float ? .double : column.type)
        }
        let outputs = ModelReport.columns(signature.outputs, fallback: "output").map { Field($0.name, $0.type) }
        if let file = settings.rows {
            let isNamed = !signature.inputs.contains { $0.name.isEmpty }
            return (try ModelRows(csv: file, inputs: inputs, isNamed: isNamed), outputs)
        }
        return (ModelRows(random: max(4096, settings.batches.max() ?? 1), inputs: inputs), outputs)
    }

    private static func measure(_ model: any Model, _ rows: ModelRows, _ outputs: [Field], _ settings: Settings)
        throws(Diagnostic) -> [Line]
    {
        var lines: [Line] = []
        for size in settings.batches {
            let batches = rows.batches(of: size)
            guard !batches.isEmpty else {
                throw Diagnostic(
                    "a batch of \(size) rows needs as many, \(rows.origin) has \(rows.count)",
                    hint: "Choose smaller ones with --batch.")
            }
            let scorer = try model.makeScorer(inputs: rows.schema, outputs: Schema(outputs), maxRows: size)
            lines.append(try measure(scorer, batches, size: size, outputs, seconds: settings.seconds))
        }
        return lines
    }

    private static func measure(
        _ scorer: any Scorer, _ batches: [[Column]], size: Int, _ outputs: [Field], seconds: Double
    ) throws(Diagnostic) -> Line {
        let results = outputs.map { Column($0.type, capacity: size) }
        let arena = BatchArena()
        // Warm-up: every batch once, or a tenth of the time.
        let warmUp = nanoseconds() + Int64(seconds * 1e8)
        var failures = 0
        for (index, batch) in batches.enumerated() {
            arena.reset()
            scorer.score(batch, rows: size, into: results, arena: arena)
            for row in 0..<size { if case .error = results[0].value(at: row) { failures += 1 } }
            if index >= 16, nanoseconds() > warmUp { break }
        }
        if failures == batches.count * size {
            throw Diagnostic(
                "the model fails on every row", hint: "Give rows that it was trained for: --rows FILE.csv.")
        }
        var times: [Int64] = []
        times.reserveCapacity(1 << 20)
        let start = nanoseconds()
        let end = start + Int64(seconds * 1e9)
        var now = start
        var turn = 0
        while now < end || times.count < 100 {
            arena.reset()
            let before = nanoseconds()
            scorer.score(batches[turn], rows: size, into: results, arena: arena)
            now = nanoseconds()
            times.append(now - before)
            turn = turn + 1 == batches.count ? 0 : turn + 1
        }
        let total = times.reduce(0, +)
        times.sort()
        return Line(
            batch: size, p50: Double(times[times.count / 2]) / 1000, p99: Double(times[times.count * 99 / 100]) / 1000,
            most: Double(times.last!) / 1000, rowsPerSecond: Double(times.count * size) / (Double(total) / 1e9))
    }

    private static func nanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static func table(_ title: String, _ lines: [Line]) -> String {
        var text = "\n\(title)\n"
        text += row(["batch", "p50 us", "p99 us", "max us", "p50 us/row", "rows/s"])
        for line in lines {
            text += row([
                "\(line.batch)", fixed(line.p50, 2), fixed(line.p99, 2), fixed(line.most, 1),
                fixed(line.p50 / Double(line.batch), 3), fixed(line.rowsPerSecond, 0),
            ])
        }
        return text
    }

    private static func row(_ cells: [String]) -> String {
        cells.map { String(repeating: " ", count: max(12 - $0.count, 1)) + $0 }.joined() + "\n"
    }

    private static func fixed(_ value: Double, _ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let whole = Int64((value * scale).rounded())
        let text = String(whole)
        guard digits > 0 else { return text }
        let padded = String(repeating: "0", count: max(digits + 1 - text.count, 0)) + text
        return padded.dropLast(digits) + "." + padded.suffix(digits)
    }
}
