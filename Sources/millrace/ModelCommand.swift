import ArgumentParser
import MillraceCore
import MillraceEngine

struct ModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "Look at model files.", subcommands: [Inspect.self])

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a model's format, version, inputs and outputs, and a CREATE MODEL statement for it.")

        @Argument(help: "An ONNX, XGBoost (JSON, UBJ) or LightGBM (text) model file, or a TensorFlow SavedModel folder.")
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
}
