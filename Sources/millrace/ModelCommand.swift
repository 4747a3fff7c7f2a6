import ArgumentParser
import MillraceCore
import MillraceEngine

struct ModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "Look at model files, try them, measure them.",
        subcommands: [Inspect.self, Predict.self, Bench.self, Baseline.self])

    static let pathHelp: ArgumentHelp =
        "A model file (ONNX, XGBoost JSON or UBJ, LightGBM text), a SavedModel or an MLflow folder."

    /// Options of CREATE MODEL that change what a file gives.
    struct ModelOptions: ParsableArguments {
        @Option(
            name: [.customShort("o"), .customLong("option")],
            help: ArgumentHelp("An option of CREATE MODEL; may be repeated.", valueName: "key=value"))
        var options: [String] = []

        func dictionary() throws -> [String: String] {
            var result: [String: String] = [:]
            for option in options {
                guard let equals = option.firstIndex(of: "="), equals != option.startIndex else {
                    throw ValidationError("-o \(option): write key=value, as in -o output=margin.")
                }
                result[String(option[..<equals])] = String(option[option.index(after: equals)...])
            }
            return result
        }
    }

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a model's format, version, inputs and outputs, and a CREATE MODEL statement for it.",
            discussion: """
                The version is the first 16 digits of the file's SHA-256, as it stands in the version column of ML_PREDICT
                and in option 'version'. Of an MLflow folder the flavor that Millrace reads is shown.
                """)

        @Argument(help: ModelCommand.pathHelp)
        var path: String
        @OptionGroup var model: ModelOptions

        func run() throws {
            let options = try model.dictionary()
            try ModelCommand.reporting(path) { () throws(Diagnostic) in
                Console.print(try ModelReport.text(path: path, options: options))
            }
        }
    }

    struct Predict: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print what a model makes of the rows of a CSV file, as CSV.",
            discussion: """
                To compare with the library that trained the model. The first line of the file names its columns; they are
                bound to the model's inputs by name, or by position when it names none. An empty field is NULL.
                """)

        @Argument(help: ModelCommand.pathHelp)
        var path: String
        @Option(help: "A CSV file with a header line.")
        var rows: String
        @OptionGroup var model: ModelOptions

        func run() throws {
            let options = try model.dictionary()
            try ModelCommand.reporting(path) { () throws(Diagnostic) in
                Console.raw(try ModelBench.predictions(path: path, rows: rows, options: options))
            }
        }
    }

    struct Bench: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Measure a model: latency of a call and rows a second of one thread, by batch size.",
            discussion: """
                Times are those of one call with all rows of a batch, features copied in and results out, different rows in
                turn. An ONNX file of one tree ensemble is measured twice, natively and in ONNX Runtime. Use a release
                build and a quiet machine; -o runtime=onnxruntime measures the library alone.
                """)

        @Argument(help: ModelCommand.pathHelp)
        var path: String
        @Option(help: "A CSV file with a header line (default: random rows).")
        var rows: String?
        @Option(help: "Rows a call, with commas between sizes.")
        var batch = "1,8,64"
        @Option(help: "Seconds for each size.")
        var seconds = 1.0
        @OptionGroup var model: ModelOptions

        func run() throws {
            let options = try model.dictionary()
            let sizes = batch.split(separator: ",").map { Int($0) }
            guard !sizes.isEmpty, !sizes.contains(where: { $0 == nil || $0! < 1 || $0! > 4096 }) else {
                throw ValidationError("--batch \(batch): write sizes from 1 to 4096, as in --batch 1,8,64.")
            }
            guard seconds > 0, seconds <= 3600 else {
                throw ValidationError("--seconds \(seconds): write 0.1 to 3600.")
            }
            let settings = ModelBench.Settings(
                rows: rows, batches: sizes.map { $0! }, seconds: seconds, options: options)
            try ModelCommand.reporting(path) { () throws(Diagnostic) in
                Console.raw(try ModelBench.text(path: path, settings))
            }
        }
    }

    struct Baseline: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write reference statistics of a CSV file of training rows, for a model's 'baseline' option.")

        @Argument(help: "A CSV file with a header; its columns are named as the model's INPUT and OUTPUT.")
        var path: String
        @Option(help: "The file to write (default: FILE.baseline.json).")
        var output: String?
        @Option(help: "Buckets of a numeric column, 2 to 100.")
        var buckets = 10

        func run() throws {
            guard (2...100).contains(buckets) else { throw ValidationError("--buckets takes a number from 2 to 100") }
            try ModelCommand.reporting(path) { () throws(Diagnostic) in
                Console.print(try ModelReport.baseline(csv: path, output: output, buckets: buckets))
            }
        }
    }

    fileprivate static func reporting(_ path: String, _ body: () throws(Diagnostic) -> Void) throws {
        do {
            try body()
        } catch {
            Console.error(error.rendered(file: path, source: ""))
            throw ExitCode(1)
        }
    }
}
