public import MillraceCore
public import MillraceRuntime

/// The model providers of `CREATE MODEL … WITH ('provider' = …)`: `xgboost`, `lightgbm` (evaluated natively), `onnx`
/// (ONNX Runtime, loaded when the first ONNX model is), `savedmodel` (TensorFlow's C library, loaded likewise) and `http`,
/// which asks a model server.
///
/// INPUT columns bind by position. OUTPUT columns bind by name when all their names are outputs of the file, else by
/// position. Outputs are flattened: a tensor `probabilities` of two columns is `probabilities_0`, `probabilities_1`; a map
/// of class to probability is `<output>_<class>`. A single FLOAT or DOUBLE column for an ONNX classifier of two classes is
/// the probability of the last class. Trees give `prediction` (regression), `probability` (binary), `probability_0` … (one
/// a class) or `label` (`multi:softmax`); with `'output' = 'margin'` the raw sums `margin` or `margin_0` ….
public enum ModelProviders {
    private static let common = [
        OptionDescriptor(
            "path", .string, isRequired: true,
            "Model file; relative to the directory of the SQL file, then to the working directory"),
        OptionDescriptor(
            "version", .string, "First hex digits of the SHA-256 of the file; another file is refused (default: any)"),
        OptionDescriptor(
            "features", .string,
            "Comma-separated names of the features in the order of the file, for files that name none"),
        OptionDescriptor(
            "nulls", .choice(["nan", "error"]), default: "nan",
            "A NULL number is a missing value (NaN) to the model, or a model error of the row"),
        OptionDescriptor("task", .string, "Accepted for Flink's sake"),
    ]
    private static let trees =
        common + [
            OptionDescriptor(
                "output", .choice(["prediction", "margin"]), default: "prediction",
                "What OUTPUT gets: the prediction (probability, count, …) or the raw sum of the trees")
        ]
    private static let onnx =
        common + [
            OptionDescriptor(
                "runtime-library", .string,
                "Path of libonnxruntime, or of its directory (default: MILLRACE_ONNXRUNTIME, then the usual places)"),
            OptionDescriptor(
                "runtime", .choice(["auto", "native", "onnxruntime"]), default: "auto",
                "Who evaluates the file: \"auto\" is \"native\" for one tree ensemble, ONNX Runtime for the rest"),
        ]

    private static let savedModel =
        common + [
            OptionDescriptor(
                "signature", .string, default: "serving_default", "Name of the SavedModel's signature that is called"),
            OptionDescriptor(
                "runtime-library", .string,
                "Path of libtensorflow_cc or libtensorflow, or of its directory (default: MILLRACE_LIBTENSORFLOW, then "
                    + "the usual places)"),
        ]

    /// Every option of a provider: which provider it is shows when the file is opened.
    private static let any = (onnx + savedModel).reduce(into: trees) { all, option in
        if !all.contains(where: { $0.name == option.name }) { all.append(option) }
    }

    public static let descriptors: [ModelProviderDescriptor] = [
        ModelProviderDescriptor(name: ModelProviderDescriptor.automatic, options: any),
        ModelProviderDescriptor(name: "onnx", options: onnx),
        ModelProviderDescriptor(name: "xgboost", options: trees),
        ModelProviderDescriptor(name: "lightgbm", options: trees),
        ModelProviderDescriptor(name: "savedmodel", options: savedModel),
        ModelProviderDescriptor(name: "http", options: HTTPOptions.descriptors),
    ]

    /// Whether rows leave the process to be scored.
    public static func isRemote(_ plan: ModelPlan) -> Bool { plan.provider.lowercased() == "http" }

    /// Loads and warms the model of a plan and checks INPUT and OUTPUT against the file.
    ///
    /// - Parameter baseDirectory: directory of the SQL file.
    /// - Throws: `.user` for a missing, damaged or unsuitable file and for columns that do not fit it; `.external` when the
    ///   file cannot be read.
    public static func load(_ plan: ModelPlan, baseDirectory: String) throws(Diagnostic) -> any Model {
        let label = "model \"\(plan.name)\""
        do throws(Diagnostic) {
            guard let descriptor = descriptors.first(where: { $0.name == plan.provider.lowercased() }) else {
                throw Diagnostic(
                    "\(label): unknown provider \"\(plan.provider)\"",
                    hint: NearestName.hint(plan.provider, in: descriptors.map(\.name))
                        ?? "Providers are \(descriptors.map(\.name).joined(separator: ", ")).")
            }
            if isRemote(plan) { return try HTTPModel(plan, baseDirectory: baseDirectory) }
            var provider = descriptor.name
            let given = try ModelFile.locate(
                plan.options["path"] ?? "", baseDirectory: baseDirectory, label: label, range: plan.range)
            if provider == ModelProviderDescriptor.automatic {
                provider = try self.provider(of: given, label: label, range: plan.range)
                try checkOptions(plan.options, of: provider, label: label, range: plan.range)
            }
            let model = try open(
                path: given, provider: provider, options: plan.options, label: label, range: plan.range,
                declaredInputs: plan.inputs.count)
            // Makes the checks of the real scorers before anything connects.
            _ = try model.makeScorer(inputs: plan.inputs, outputs: plan.outputs, maxRows: 1)
            return model
        } catch {
            var placed = error
            if placed.range.isNone { placed.range = plan.range }
            throw placed
        }
    }

    /// Opens a model file by itself, for `millrace model`. The provider is found by the content of the file.
    public static func inspect(path: String, options: [String: String] = [:]) throws(Diagnostic) -> (
        provider: String, model: any Model
    ) {
        let label = "model"
        let path = try ModelFile.locate(path, baseDirectory: "", label: label, range: .none)
        let provider = try provider(of: path, label: label, range: .none)
        try checkOptions(options, of: provider, label: label, range: .none)
        let model = try open(
            path: path, provider: provider, options: options, label: label, range: .none, declaredInputs: nil)
        return (provider, model)
    }

    /// What the MLflow folder of a model says: its columns, empty without a signature, and facts.
    public static func mlflow(path: String) -> (inputs: [ModelSignature.Column], facts: [String])? {
        guard let file = try? ModelFile.locate(path, baseDirectory: "", label: "model", range: .none),
            let folder = MLflowFolder.around(file)
        else { return nil }
        return (folder.inputs, folder.facts)
    }

    private static func provider(of path: String, label: String, range: SourceRange) throws(Diagnostic) -> String {
        if ModelFolder.isSavedModel(path) { return "savedmodel" }
        let bytes = try ModelFile.read(path, label: label, range: range)
        do throws(ModelFileFault) {
            return try ModelFile.format(bytes, path: path).provider
        } catch {
            throw error.diagnostic(path: path, range: range)
        }
    }

    private static func checkOptions(
        _ options: [String: String], of provider: String, label: String, range: SourceRange
    ) throws(Diagnostic) {
        guard let descriptor = descriptors.first(where: { $0.name == provider }) else { return }
        let known = descriptor.options + OptionDescriptor.model
        for name in options.keys.sorted() where !known.contains(where: { $0.name == name }) {
            throw Diagnostic(
                "\(label): option \"\(name)\" is not one of provider \"\(provider)\", which the file is for", at: range,
                hint: "The options are \(descriptor.options.map(\.name).joined(separator: ", ")).")
        }
    }

    private static func open(
        path: String, provider: String, options: [String: String], label: String, range: SourceRange,
        declaredInputs: Int?
    ) throws(Diagnostic) -> any Model {
        let isSavedModel = ModelFolder.isSavedModel(path)
        let bytes = try ModelFile.read(isSavedModel ? path + "/saved_model.pb" : path, label: label, range: range)
        let hash = isSavedModel ? try ModelFolder.hash(path, label: label, range: range) : Digest.sha256Hex(bytes)
        if let wanted = options["version"]?.lowercased(), !wanted.isEmpty, !hash.hasPrefix(wanted) {
            throw Diagnostic(
                "\(label): file \"\(path)\" has version \(hash.prefix(16)), not \(wanted)", at: range,
                hint: "Option \"version\" pins the file by its SHA-256; change it when the new file is meant.")
        }
        let names = (options["features"] ?? "").split(separator: ",").map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
        // An MLflow signature names what a file without names leaves open.
        let signed = MLflowFolder.around(path)?.inputs.map(\.name) ?? []
        let nullFails = options["nulls"]?.lowercased() == "error"
        do {
            let format = isSavedModel ? .savedModel : try ModelFile.format(bytes, path: path)
            guard format.provider == provider else {
                throw Diagnostic(
                    "\(label): \(isSavedModel ? "folder" : "file") \"\(path)\" is \(format.rawValue), not one of provider \"\(provider)\"",
                    at: range,
                    hint: "Set 'provider' = '\(format.provider)'.")
            }
            var ensemble: TreeEnsemble
            switch format {
            case .savedModel:
                return try SavedModel(
                    path: path, file: bytes, signature: options["signature"] ?? "serving_default", label: label,
                    version: hash, features: names, nullFails: nullFails,
                    runtimeLibrary: options["runtime-library"], declaredInputs: declaredInputs)
            case .onnx:
                return try openONNX(
                    bytes, path: path, options: options, label: label, version: hash, featureNames: names,
                    signedNames: signed, range: range, declaredInputs: declaredInputs)
            case .xgboostJSON: ensemble = try XGBoostReader.read(try JSONDocument.parse(bytes))
            case .xgboostUBJ: ensemble = try XGBoostReader.read(try UBJDocument.parse(bytes))
            case .lightGBM: ensemble = try LightGBMReader.read(bytes)
            }
            if ensemble.featureNames.isEmpty, names.isEmpty, signed.count == ensemble.featureCount {
                ensemble.featureNames = signed
            }
            if ensemble.featureNames.isEmpty, !names.isEmpty, names.count != ensemble.featureCount {
                throw Diagnostic(
                    "\(label): option \"features\" names \(names.count) features, the file wants \(ensemble.featureCount)",
                    at: range)
            }
            return try ForestModel(
                ensemble, label: label, version: hash, featureNames: names,
                givesMargin: options["output"]?.lowercased() == "margin", nullFails: nullFails)
        } catch let fault as ModelFileFault {
            throw fault.diagnostic(path: path, range: range)
        } catch let diagnostic as Diagnostic {
            throw diagnostic
        } catch {
            throw Diagnostic("\(label): could not load \"\(path)\"", at: range, fault: .bug)
        }
    }

    /// Natively when the graph is one tree ensemble, else in ONNX Runtime.
    private static func openONNX(
        _ bytes: [UInt8], path: String, options: [String: String], label: String, version: String,
        featureNames: [String], signedNames: [String], range: SourceRange, declaredInputs: Int?
    ) throws -> any Model {
        let runtime = options["runtime"]?.lowercased() ?? "auto"
        let nullFails = options["nulls"]?.lowercased() == "error"
        var reason: String?
        let file: OnnxFile?
        do throws(ModelFileFault) {
            file = try OnnxFile(bytes)
        } catch {
            // What ONNX Runtime makes of it is the answer.
            file = nil
            if case .damaged(let what) = error { reason = what }
        }
        if runtime != "onnxruntime", let file {
            switch OnnxTrees.recognize(file, names: featureNames, signedNames: signedNames, declared: declaredInputs) {
            case .trees(let ensemble, let interface):
                guard featureNames.isEmpty || featureNames.count == interface.inputs.count else {
                    throw Diagnostic(
                        "\(label): option \"features\" names \(featureNames.count) features, the file wants "
                            + "\(interface.inputs.count)", at: range)
                }
                return try ForestModel(
                    ensemble, label: label, version: version, featureNames: [], givesMargin: false,
                    nullFails: nullFails, interface: interface)
            case .other(let why): reason = why
            }
        }
        if runtime == "native" {
            throw Diagnostic(
                "\(label): \"\(path)\" needs ONNX Runtime: \(reason ?? "it is no tree ensemble")", at: range,
                hint: "Leave option \"runtime\" out.")
        }
        return try OnnxModel(
            path: path, library: OrtLibrary.load(option: options["runtime-library"]), label: label, version: version,
            fileFacts: file?.facts ?? [], featureNames: featureNames, signedNames: signedNames, nullFails: nullFails,
            declaredInputs: declaredInputs)
    }
}
