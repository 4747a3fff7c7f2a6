import ArgumentParser
import MillraceCore
import MillraceEngine

struct ModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "Look at model files.", subcommands: [Inspect.self, Baseline.self])

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a model's format, version, inputs and outputs, and a CREATE MODEL statement for it.")

        @Argument(
            help: "An ONNX, XGBoost (JSON, UBJ) or LightGBM (text) model file, or a TensorFlow SavedModel folder.")
        var path: String

        func run() throws {
            do {
                Console.print(try ModelReport.text(path: path))
            } catch {
                Console.error(error.rendered(file: path, source: ""))
                throw ExitCode(1)
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
            do {
                Console.print(try ModelReport.baseline(csv: path, output: output, buckets: buckets))
            } catch {
                Console.error(error.rendered(file: path, source: ""))
                throw ExitCode(1)
            }
        }
    }
}
