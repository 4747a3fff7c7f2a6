import Foundation
import Glibc
import MillraceCore
import MillraceRuntime
import Testing

@testable import MillraceModels

/// TensorFlow is not part of the build: without it these tests are skipped, or fail when MILLRACE_REQUIRE_TENSORFLOW=1.
let tensorFlowIsUsable: Bool = {
    if ProcessInfo.processInfo.environment["MILLRACE_REQUIRE_TENSORFLOW"] == "1" { return true }
    return (try? TensorFlowLibrary.load(option: nil)) != nil
}()

@Suite(.enabled(if: tensorFlowIsUsable, "TensorFlow is missing: run Scripts/fetch-tensorflow"))
struct SavedModelTests {
    private func load(_ file: String, _ inputs: [Field], _ outputs: [Field], _ options: [String: String] = [:]) throws
        -> any Model
    {
        try ModelProviders.load(
            Fixture.plan("savedmodel", file, inputs: inputs, outputs: outputs, options: options),
            baseDirectory: Fixture.directory)
    }

    private func expectClose(_ values: [Value], _ column: String) {
        let expected = Fixture.numbers("natality/golden_expected.csv", column)
        #expect(values.count == 200)
        for (row, value) in values.enumerated() {
            #expect(distance(value, expected[row]!) <= 1e-6, "\(column) row \(row): \(value), \(expected[row]!)")
        }
    }

    @Test func matrixAgreesWithTensorFlow() throws {
        let rows = Rows(golden: "natality/golden_inputs.csv", Fixture.natality)
        let outputs = [Field("weight", .double)]
        let model = try load("natality/savedmodel_mlp", rows.fields, outputs)
        for size in [Int.max, 1, 7] { expectClose(try rows.score(model, outputs: outputs, batch: size)[0], "tf_mlp") }
        // Columns of other names and numeric types.
        var other = rows
        other.fields[1] = Field("age", .integer)
        other.cells[1] = rows.cells[1].map { cell in
            if case .double(let x) = cell { .integer(Int64(x)) } else { cell }
        }
        expectClose(
            try other.score(load("natality/savedmodel_mlp", other.fields, outputs), outputs: outputs)[0], "tf_mlp")
    }

    @Test func stringInputsBindByName() throws {
        let table = Fixture.table("natality/golden_inputs.csv")
        let plurality = ["Single(1)", "Twins(2)", "Triplets(3)", "Quadruplets(4)", "Quintuplets(5)"]
        let fields = [
            Field("plurality", .string), Field("mother_age", .integer), Field("is_male", .string),
            Field("gestation_weeks", .double),
        ]
        let rows = Rows(
            fields,
            [
                table["plurality"]!.map { .string(plurality[Int(Double($0!)!) - 1]) },
                table["mother_age"]!.map { .integer(Int64(Double($0!)!)) },
                table["is_male"]!.map { .string(Double($0!)! == 1 ? "True" : "False") },
                table["gestation_weeks"]!.map { .double(Double($0 ?? "38.6")!) },
            ])
        let outputs = [Field("predictions", .double)]
        let model = try load("natality/savedmodel_wd", fields, outputs)
        for size in [Int.max, 1, 7] { expectClose(try rows.score(model, outputs: outputs, batch: size)[0], "tf_wd") }
    }

    @Test func nullAndErrorCells() throws {
        var rows = Rows(golden: "natality/golden_inputs.csv", Fixture.natality)
        let outputs = [Field("weight_pounds", .double)]
        rows.cells[3][2] = .error(.castFailed)
        rows.cells[5][4] = .null
        let scored = try rows.score(
            try load("natality/savedmodel_mlp", rows.fields, outputs, ["nulls": "error"]), outputs: outputs)
        #expect(scored[0][2] == .error(.castFailed))
        #expect(scored[0][4] == .error(.modelError))
    }
}

/// The scorer against a library in C that fails on purpose.
@Suite(.serialized)
struct FakeTensorFlowTests {
    /// Path of the compiled library; nil without a C compiler.
    private static let library: String? = {
        let path = NSTemporaryDirectory() + "millrace-\(UUID().uuidString)-libtensorflow.so.2"
        for compiler in ["clang", "cc", "gcc"] {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [
                compiler, "-shared", "-fPIC", "-w", "-o", path, Fixture.directory + "/fake_tensorflow.c", "-lm",
            ]
            process.standardError = FileHandle.nullDevice
            if (try? process.run()) != nil {
                process.waitUntilExit()
                if process.terminationStatus == 0 { return path }
            }
        }
        return nil
    }()

    private func model(
        _ name: String = "fake", inputs: [UInt8], outputs: [UInt8], _ columns: [Field], _ results: [Field]
    ) throws -> any Model {
        let library = try #require(FakeTensorFlowTests.library, "no C compiler")
        let folder = try SavedModelBytes.folder(
            name, SavedModelBytes.file(signatures: [("serving_default", inputs + outputs)]))
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try ModelProviders.load(
            Fixture.plan(
                "savedmodel", folder, inputs: columns, outputs: results, options: ["runtime-library": library]),
            baseDirectory: "")
    }

    private func live(_ name: String) throws -> Int32 {
        let handle = try #require(dlopen(FakeTensorFlowTests.library, RTLD_NOW))
        return unsafeBitCast(dlsym(handle, name), to: (@convention(c) () -> Int32).self)()
    }

    private let sum = SavedModelBytes.tensor(2, "y", "sum:0", 1, [-1])

    @Test func everyKindOfInput() throws {
        let inputs =
            SavedModelBytes.tensor(1, "a", "a:0", 1, [-1, 1]) + SavedModelBytes.tensor(1, "b", "b:0", 2, [-1])
            + SavedModelBytes.tensor(1, "c", "c:0", 3, [-1]) + SavedModelBytes.tensor(1, "d", "d:0", 7, [-1])
            + SavedModelBytes.tensor(1, "e", "e:0", 9, [-1]) + SavedModelBytes.tensor(1, "f", "f:0", 10, [-1])
        let outputs = sum + SavedModelBytes.tensor(2, "t", "echo:0", 7, nil)
        let columns = [
            Field("d", .string), Field("a", .decimal(precision: 8, scale: 1)), Field("b", .double),
            Field("c", .bigInt), Field("e", .bigInt), Field("f", .boolean),
        ]
        let results = [Field("t", .string), Field("y", .double)]
        let long = String(repeating: "é", count: 100)
        let rows = Rows(
            columns,
            [
                [.string("xy"), .string(""), .string(long), .null, .string("q"), .string("q")],
                [.decimal(15), .decimal(5), .decimal(0), .decimal(10), .decimal(0), .null],
                Array(repeating: .double(1), count: 6),
                [.integer(2), .integer(-3), .integer(0), .integer(0), .integer(1 << 40), .integer(1)],
                [.integer(3), .integer(4), .integer(0), .integer(0), .integer(0), .integer(0)],
                [.integer(1), .integer(0), .integer(0), .integer(1), .integer(0), .integer(0)],
            ])
        let expected: [[Value]] = [
            [.string("xy"), .string(""), .string(long), .string(""), .error(.numericOverflow), .string("q")],
            [.double(10.5), .double(2.5), .double(201), .double(3), .error(.numericOverflow), .double(3.5)],
        ]
        let (tensors, strings) = (try live("fake_live_tensors"), try live("fake_live_strings"))
        do {
            let model = try model(inputs: inputs, outputs: outputs, columns, results)
            for batch in [Int.max, 1, 4] {
                #expect(try rows.score(model, outputs: results, batch: batch) == expected, "\(batch)")
            }
        }
        // Everything that was taken from the library went back.
        #expect(try live("fake_live_tensors") == tensors)
        #expect(try live("fake_live_strings") == strings)
    }

    @Test func onlyTheRowAtFaultFails() throws {
        let columns = [Field("x", .double), Field("s", .string)]
        let inputs =
            SavedModelBytes.tensor(1, "x", "x:0", 1, [-1]) + SavedModelBytes.tensor(1, "s", "s:0", 7, [-1])
        let model = try model(inputs: inputs, outputs: sum, columns, [Field("y", .double)])
        let rows = Rows(
            columns,
            [
                [.double(1), .double(13), .double(15), .error(.castFailed), .double(4)],
                [.string("a"), .string("b"), .string("cc"), .string("d"), .string("e")],
            ])
        #expect(
            try rows.score(model, outputs: [Field("y", .double)])[0] == [
                .double(2), .error(.modelError), .error(.modelNotANumber), .error(.castFailed), .double(5),
            ])
    }

    @Test(arguments: [
        ("keras3", "Could not find variable Variable_17", "keras.export.ExportArchive"),
        ("refused", "refused", ""),
    ])
    func failuresAtLoad(_ name: String, _ message: String, _ hint: String) throws {
        let diagnostic = #expect(throws: Diagnostic.self) {
            _ = try model(
                name, inputs: SavedModelBytes.tensor(1, "x", "x:0", 1, [-1]), outputs: sum, [Field("x", .double)],
                [Field("y", .double)])
        }
        #expect(diagnostic?.message.contains(message) == true, "\(diagnostic?.message ?? "")")
        let advice = diagnostic?.hint ?? ""
        #expect(hint.isEmpty || advice.contains(hint), "\(advice)")
    }

    @Test func namesOfTheFileThatTheGraphDoesNotHave() throws {
        let diagnostic = #expect(throws: Diagnostic.self) {
            _ = try model(
                inputs: SavedModelBytes.tensor(1, "x", "absent:0", 1, [-1]), outputs: sum, [Field("x", .double)],
                [Field("y", .double)])
        }
        #expect(diagnostic?.message.contains("has no tensor \"absent:0\"") == true)
    }

    @Test func anotherLibraryIsNamed() throws {
        let path = Fixture.directory + "/natality/savedmodel_mlp"
        let diagnostic = #expect(throws: Diagnostic.self) {
            _ = try ModelProviders.load(
                Fixture.plan(
                    "savedmodel", path, inputs: Fixture.doubles(Fixture.natality), outputs: [Field("w", .double)],
                    options: ["runtime-library": "libm.so.6"]), baseDirectory: "")
        }
        #expect(diagnostic?.message.contains("it has no TF_Version") == true, "\(diagnostic?.message ?? "")")
    }
}
