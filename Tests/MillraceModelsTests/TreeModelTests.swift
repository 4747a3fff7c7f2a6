import Foundation
import MillraceCore
import MillraceRuntime
import Testing

@testable import MillraceModels

struct TreeModelTests {
    struct Golden: Sendable {
        var folder: String
        var file: String
        var column: String
        var tolerance: Double
        var options: [String: String] = [:]
    }

    @Test(arguments: [
        Golden(folder: "natality", file: "natality_xgb.json", column: "xgb", tolerance: 1e-8),
        Golden(folder: "natality", file: "natality_xgb.ubj", column: "xgb", tolerance: 1e-8),
        Golden(folder: "natality", file: "natality_lgb.txt", column: "lgb", tolerance: 1e-12),
        Golden(folder: "fraud", file: "fraud_xgb.json", column: "xgb", tolerance: 1e-7),
        Golden(
            folder: "fraud", file: "fraud_xgb.ubj", column: "xgb_margin", tolerance: 1e-8, options: ["output": "margin"]
        ),
        Golden(folder: "fraud", file: "fraud_lgb.txt", column: "lgb", tolerance: 1e-12),
    ])
    func agreesWithTheTrainingLibrary(_ golden: Golden) throws {
        let rows = Rows(
            golden: golden.folder + "/golden_inputs.csv", golden.folder == "fraud" ? Fixture.fraud : Fixture.natality)
        let outputs = [Field("score", .double)]
        let plan = Fixture.plan(
            Fixture.provider(golden.file), golden.folder + "/" + golden.file, inputs: rows.fields, outputs: outputs,
            options: golden.options)
        let model = try ModelProviders.load(plan, baseDirectory: Fixture.directory)
        let batch = try rows.score(model, outputs: outputs)
        let expected = Fixture.numbers(golden.folder + "/golden_expected.csv", golden.column)
        #expect(batch[0].count == 200)
        for (row, value) in batch[0].enumerated() {
            #expect(distance(value, expected[row]!) <= golden.tolerance, "row \(row): \(value), \(expected[row]!)")
        }
        // Not one bit may depend on how rows are grouped.
        for size in [1, 3, 8, 13, 64] { #expect(try rows.score(model, outputs: outputs, batch: size) == batch) }
        #expect(try rows.score(model, outputs: outputs, maxRows: 10) == batch)
    }

    /// Every objective, booster and missing-value rule against the predictions of XGBoost and LightGBM, and what files of
    /// older versions say differently.
    @Test(arguments: [("cases.json", 50), ("cases_1.7.6.json", 6), ("cases_2.1.4.json", 7)])
    func variantsAgreeWithTheTrainingLibrary(_ list: String, _ count: Int) throws {
        let bytes = Fixture.bytes("variants/" + list)
        let root = try JSONSerialization.jsonObject(with: Data(bytes)) as! [String: Any]
        func table(_ value: Any?) -> [[Double?]] { (value as! [[Any]]).map { $0.map { $0 as? Double } } }
        let inputs = table(root["inputs"])
        let fields = Fixture.doubles((0..<5).map { "f\($0)" })
        let rows = Rows(fields, (0..<5).map { column in inputs.map { $0[column].map(Value.double) ?? .null } })
        let cases = root["cases"] as! [[String: Any]]
        #expect(cases.count == count)
        for item in cases {
            let file = item["file"] as! String
            let tolerance = item["tolerance"] as! Double
            for (key, options) in [("expected", [:]), ("margin", ["output": "margin"])] {
                let expected = table(item[key])
                let outputs = Fixture.doubles((0..<expected[0].count).map { "out\($0)" })
                let plan = Fixture.plan(
                    Fixture.provider(file), "variants/" + file,
                    inputs: fields.enumerated().map { Field("Column_\($0.offset)", .double) },
                    outputs: outputs, options: options)
                let model = try ModelProviders.load(plan, baseDirectory: Fixture.directory)
                let scored = try Rows(plan.inputs.fields, rows.cells).score(model, outputs: outputs)
                var worst = 0.0
                for row in expected.indices {
                    for column in outputs.indices {
                        worst = max(worst, distance(scored[column][row], expected[row][column]!))
                    }
                }
                #expect(worst <= tolerance, "\(file) \(key): \(worst)")
                #expect(
                    try Rows(plan.inputs.fields, rows.cells).score(model, outputs: outputs, batch: 1) == scored,
                    "\(file)")
            }
        }
    }

    /// LightGBM splits the numbers from the missing values with a threshold of infinity, which infinity does not exceed.
    @Test func infinityIsANumber() throws {
        let text = """
            tree
            version=v4
            num_class=1
            num_tree_per_iteration=1
            max_feature_idx=0
            objective=regression
            feature_names=a

            Tree=0
            num_leaves=2
            num_cat=0
            split_feature=0
            threshold=inf
            decision_type=8
            left_child=-1
            right_child=-2
            leaf_value=1 2

            end of trees

            """
        let rows = Rows(
            Fixture.doubles(["a"]), [[.double(.infinity), .double(-.infinity), .double(0), .null, .double(1e308)]])
        for (decision, missing) in [(8, 2.0), (10, 1.0), (2, 1.0), (0, 1.0), (4, 2.0), (6, 1.0)] {
            let file = text.replacingOccurrences(of: "decision_type=8", with: "decision_type=\(decision)")
            let model = try ForestModel(
                try LightGBMReader.read(Array(file.utf8)), label: "m", version: "", featureNames: [],
                givesMargin: false,
                nullFails: false)
            let zero = decision & 12 == 4 ? missing : 1
            #expect(
                try rows.score(model, outputs: [Field("p", .double)])[0]
                    == [.double(1), .double(1), .double(zero), .double(missing), .double(1)], "\(decision)")
        }
    }

    @Test func bindsEveryNumericType() throws {
        let wide = Rows(golden: "natality/golden_inputs.csv", Fixture.natality)
        let outputs = [Field("weight", .float)]
        let path = "natality/natality_xgb.ubj"
        let model = try ModelProviders.load(
            Fixture.plan("xgboost", path, inputs: wide.fields, outputs: outputs), baseDirectory: Fixture.directory)
        let types: [DataType] = [
            .boolean, .bigInt, .tinyInt, .decimal(precision: 10, scale: 2), .boolean, .float, .integer, .smallInt,
        ]
        var rows = wide
        for index in types.indices {
            rows.fields[index].type = types[index]
            rows.cells[index] = wide.cells[index].map { cell in
                guard case .double(let x) = cell else { return cell }
                return switch types[index].layout {
                case .decimal: .decimal(Int128(x * 100))
                case .int64: .integer(Int64(x))
                default: cell
                }
            }
        }
        #expect(try rows.score(model, outputs: outputs) == wide.score(model, outputs: outputs))
    }

    @Test func nullsAndErrorsStayInTheirRow() throws {
        var rows = Rows(golden: "natality/golden_inputs.csv", Fixture.natality)
        rows.cells = rows.cells.map { Array($0.prefix(20)) }
        let outputs = [Field("weight", .double)]
        let plan = { (options: [String: String]) in
            Fixture.plan(
                "xgboost", "natality/natality_xgb.json", inputs: rows.fields, outputs: outputs, options: options)
        }
        let model = try ModelProviders.load(plan([:]), baseDirectory: Fixture.directory)
        let clean = try rows.score(model, outputs: outputs)
        rows.cells[1][4] = .error(.castFailed)
        rows.cells[2][9] = .null
        let mixed = try rows.score(model, outputs: outputs)
        #expect(mixed[0][4] == .error(.castFailed))
        for row in 0..<20 where row != 4 && row != 9 { #expect(mixed[0][row] == clean[0][row]) }
        let strict = try ModelProviders.load(plan(["nulls": "error"]), baseDirectory: Fixture.directory)
        let refused = try rows.score(strict, outputs: outputs)
        #expect(refused[0][9] == .error(.modelError))
        #expect(refused[0][4] == .error(.castFailed))
        // NaN scored as NaN in the leaf gives its own code.
        let text = String(decoding: Fixture.bytes("variants/xgb_squarederror.json"), as: UTF8.self)
            .replacingOccurrences(of: "\"base_score\":\"[", with: "\"base_score\":\"[nan,").replacingOccurrences(
                of: "[nan,", with: "[nan]\",\"x\":\"[")
        let ensemble = try XGBoostReader.read(JSONDocument.parse(Array(text.utf8)))
        let broken = try ForestModel(
            ensemble, label: "model", version: "", featureNames: [], givesMargin: false, nullFails: false)
        let five = Rows(Fixture.doubles(["a", "b", "c", "d", "e"]), Array(repeating: [.double(1)], count: 5))
        #expect(try five.score(broken, outputs: outputs)[0] == [.error(.modelNotANumber)])
    }

    struct Refusal: Sendable {
        var provider: String
        var file: String
        var inputs: [Field]
        var outputs: [Field]
        var message: String
        var hint: String
        var options: [String: String] = [:]
    }

    @Test(arguments: [
        Refusal(
            provider: "xgboost", file: "natality/natality_xgb.json",
            inputs: Fixture.doubles(Array(Fixture.natality.dropLast())),
            outputs: [Field("w", .double)], message: "INPUT has 7 columns, the file wants 8", hint: "mother_married"),
        Refusal(
            provider: "xgboost", file: "natality/natality_xgb.json",
            inputs: Fixture.doubles(Fixture.natality.reversed()),
            outputs: [Field("w", .double)], message: "in another order", hint: "is_male, mother_age"),
        Refusal(
            provider: "xgboost", file: "natality/natality_xgb.json",
            inputs: [Field("is_male", .string)] + Fixture.doubles(Array(Fixture.natality.dropFirst())),
            outputs: [Field("w", .double)], message: "INPUT column \"is_male\" is STRING", hint: "CASE"),
        Refusal(
            provider: "lightgbm", file: "natality/natality_lgb.txt", inputs: Fixture.doubles(Fixture.natality),
            outputs: [Field("a", .double), Field("b", .double)], message: "OUTPUT has 2 columns, the file gives 1",
            hint: "prediction DOUBLE"),
        Refusal(
            provider: "lightgbm", file: "natality/natality_lgb.txt", inputs: Fixture.doubles(Fixture.natality),
            outputs: [Field("a", .bigInt)], message: "OUTPUT column \"a\" is BIGINT", hint: "CAST"),
        Refusal(
            provider: "xgboost", file: "natality/natality_lgb.txt", inputs: Fixture.doubles(Fixture.natality),
            outputs: [Field("w", .double)], message: "is LightGBM text", hint: "'provider' = 'lightgbm'"),
        Refusal(
            provider: "xgboost", file: "natality/absent.json", inputs: [], outputs: [Field("w", .double)],
            message: "no file \"natality/absent.json\"", hint: "Fixtures/natality/absent.json"),
        Refusal(
            provider: "xgbost", file: "natality/natality_xgb.json", inputs: [], outputs: [],
            message: "unknown provider",
            hint: "xgboost"),
        Refusal(
            provider: "lightgbm", file: "variants/lgb_linear.txt", inputs: [], outputs: [], message: "linear leaves",
            hint: "linear_tree"),
        Refusal(
            provider: "xgboost", file: "natality/natality_xgb.json", inputs: [], outputs: [], message: "not 1234",
            hint: "SHA-256", options: ["version": "1234"]),
    ])
    func refusesWhatDoesNotFit(_ refusal: Refusal) {
        let plan = Fixture.plan(
            refusal.provider, refusal.file, inputs: refusal.inputs, outputs: refusal.outputs, options: refusal.options)
        let diagnostic = #expect(throws: Diagnostic.self) {
            _ = try ModelProviders.load(plan, baseDirectory: Fixture.directory)
        }
        #expect(diagnostic?.message.contains(refusal.message) == true, "\(diagnostic?.message ?? "")")
        #expect(diagnostic?.hint?.contains(refusal.hint) == true, "\(diagnostic?.hint ?? "")")
    }

    @Test func refusesForeignFormatsByName() throws {
        let folder = NSTemporaryDirectory() + "millrace-models-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (bytes, message) in [
            ("binf\0\0", "old binary format"), ("CBM1xx", "CatBoost"), ("", "is empty"), ("hello", "not known"),
            ("{\"a\":1}", "not an XGBoost model"),
        ] {
            let path = folder + "/model"
            _ = FileManager.default.createFile(atPath: path, contents: Data(bytes.utf8))
            let diagnostic = #expect(throws: Diagnostic.self) { _ = try ModelProviders.inspect(path: path) }
            #expect(diagnostic?.message.contains(message) == true, "\(diagnostic?.message ?? "")")
        }
    }

    /// Damaged files are refused or evaluated, never a crash: whatever loads is also scored.
    @Test(arguments: [
        "variants/xgb_categorical.json", "variants/xgb_softprob.ubj", "variants/lgb_categorical.txt",
        "variants/xgb_dart.ubj",
    ])
    func survivesDamage(_ file: String) throws {
        let bytes = Fixture.bytes(file)
        let rows = Rows(
            Fixture.doubles(["a", "b", "c", "d", "e"]), (0..<5).map { c in (0..<9).map { .double(Double($0 * c) - 3) } }
        )
        func attempt(_ bytes: [UInt8]) {
            guard
                let ensemble = try? file.hasSuffix("txt")
                    ? LightGBMReader.read(bytes)
                    : XGBoostReader.read(file.hasSuffix("json") ? JSONDocument.parse(bytes) : UBJDocument.parse(bytes)),
                let model = try? ForestModel(
                    ensemble, label: "m", version: "", featureNames: [], givesMargin: false, nullFails: false),
                model.signature.inputs.count == 5
            else { return }
            _ = try? rows.score(model, outputs: model.signature.outputs.map { Field($0.name, .double) })
        }
        for i in 0..<20 { attempt(Array(bytes.prefix(bytes.count * i / 20))) }
        for seed in UInt64(1)...60 {
            var state = seed &* 0x9E37_79B9_7F4A_7C15
            var damaged = bytes
            for _ in 0..<8 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                damaged[Int(state >> 33) % damaged.count] = UInt8(truncatingIfNeeded: state >> 20)
            }
            attempt(damaged)
        }
    }

    @Test func inspectsByContent() throws {
        let (provider, model) = try ModelProviders.inspect(path: Fixture.directory + "/fraud/fraud_lgb.txt")
        #expect(provider == "lightgbm")
        #expect(model.signature.inputs.count == 14)
        #expect(model.signature.outputs.map(\.name) == ["probability"])
        #expect(model.version.count == 16)
    }

    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func hashesAsFIPS180(_ text: String, _ hash: String) { #expect(Digest.sha256Hex(Array(text.utf8)) == hash) }

    /// Lengths around the ends of blocks; the expected values are those of Python's hashlib.
    @Test(
        arguments: [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a"),
            (55, "81afe5b788dc2ce138ff83d9b20164db75a94d75d2b2432eea4a0ef605088c72"),
            (56, "2aba54f0ac632420a2b502431408866e40e1d5e430df4cd822642c78ab2eb9c1"),
            (63, "733d3d4ee79ee67145bf73da13588f6f235d37414fc64b14a2f00f1762792f5e"),
            (64, "79322907b3e9d013d7dc2c2f256674dbf733045cde01df3539271c6f5605feb8"),
            (65, "d85c007c6eb440f085afa2b84f6f2bce4658b240e9f62cb1364bf0485a57e720"),
            (119, "6c87eedf096b345de205b702e5223b73b447a3207791ded3ea007ba15ed6736e"),
            (120, "42500cf6a1e3936d6b9e0bcfe296d654b63255e525487d3634d0b15fde591c4d"),
            (127, "68f6ff710276900c0ffbbc57426f67e00c2e01f0750c7edc25ac06b8ce7a8095"),
            (128, "489d55fea9a73af36b6dd0be7b4117d8e5683386d39544e8a44c99a87f368707"),
            (1000, "6b0df76627243d095b0c4400cb658b7e804dd03461cc03aee8fc8fe0bcada168"),
        ])
    func hashesEveryLength(_ count: Int, _ hash: String) {
        #expect(Digest.sha256Hex((0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + count) }) == hash)
    }

    @Test func hashesAMillionBytes() {
        #expect(
            Digest.sha256Hex([UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000))
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }
}
