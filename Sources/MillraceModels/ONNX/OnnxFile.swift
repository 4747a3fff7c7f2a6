import MillraceCore

/// The graph of an ONNX file, read without ONNX Runtime: as much of it as `OnnxTrees` needs.
///
/// Format: field numbers of onnx.proto3 (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto, ValueInfoProto).
struct OnnxFile {
    struct Attribute {
        var floats: [Float] = []
        var integers: [Int64] = []
        var strings: [String] = []
        var tensor: Tensor?
    }
    struct Node {
        var operation = ""
        var domain = ""
        var inputs: [String] = []
        var outputs: [String] = []
        var attributes: [String: Attribute] = [:]
    }
    /// Values of a small tensor of numbers; nil when they are of another type or in another file.
    struct Tensor {
        var name = ""
        var dimensions: [Int64] = []
        var values: [Double]?
    }
    /// An input or output. `element` is nil for what is no tensor.
    struct Port {
        var name = ""
        var element: Int32?
        /// -1 for one that is open or named.
        var dimensions: [Int64] = []
    }

    var producer = ""
    private var producerVersion = ""
    private var modelDomain = ""
    private var modelVersion: Int64 = 0
    private var description = ""
    private var graphName = ""
    private var operatorSets: [(domain: String, version: Int64)] = []
    var nodes: [Node] = []
    var initializers: [String: Tensor] = [:]
    var inputs: [Port] = []
    var outputs: [Port] = []
    var metadata: [String: String] = [:]

    init(_ bytes: [UInt8]) throws(ModelFileFault) {
        var reader = ProtobufReader(bytes)
        while let (field, value) = try reader.next() {
            switch field {
            case 2: producer = try reader.text(value)
            case 3: producerVersion = try reader.text(value)
            case 4: modelDomain = try reader.text(value)
            case 5: modelVersion = try reader.integer(value)
            case 6: description = try reader.text(value)
            case 8: operatorSets.append(try OnnxFile.operatorSet(try reader.message(value)))
            case 7: try graph(try reader.message(value))
            case 14:
                let (key, text) = try OnnxFile.entry(try reader.message(value))
                metadata[key] = text
            default: break
            }
        }
        inputs.removeAll { initializers[$0.name] != nil }
    }

    /// Names of the features that a converter left in the metadata: a list with commas, in brackets or not.
    var featureNames: [String] { OnnxFile.featureNames(metadata["feature_names"] ?? "") }

    static func featureNames(_ text: String) -> [String] {
        text.split(separator: ",").map { part in String(part.filter { !" []\"'".contains($0) }) }
    }

    /// For `millrace model inspect`: who wrote the file, its own texts, and the names of the classes in the order of the
    /// scores.
    var facts: [String] {
        var facts = ["producer: " + (producerVersion.isEmpty ? producer : "\(producer) \(producerVersion)")]
        let sets = operatorSets.map { "\($0.domain.isEmpty ? "ai.onnx" : $0.domain) \($0.version)" }
        if !sets.isEmpty { facts.append("operators: " + sets.sorted().joined(separator: ", ")) }
        if !graphName.isEmpty { facts.append("graph: \(OnnxFile.short(graphName))") }
        if !modelDomain.isEmpty { facts.append("domain: \(OnnxFile.short(modelDomain))") }
        // PyTorch writes the greatest number.
        if modelVersion > 0, modelVersion < .max { facts.append("model version: \(modelVersion)") }
        if !description.isEmpty { facts.append("description: \(OnnxFile.short(description))") }
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            facts.append("\(key): \(OnnxFile.short(value))")
        }
        for node in nodes {
            let labels =
                node.attributes["classlabels_strings"]?.strings ?? node.attributes["classlabels_int64s"]?.integers.map {
                    "\($0)"
                } ?? []
            if !labels.isEmpty {
                facts.append("classes: \(OnnxFile.short(labels.joined(separator: ", ")))")
                break
            }
        }
        return facts
    }

    /// One line of at most 200 characters.
    private static func short(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        return line.count <= 200 ? line : line.prefix(199) + "…"
    }

    private static func operatorSet(_ message: ProtobufReader) throws(ModelFileFault) -> (String, Int64) {
        var reader = message
        var result: (String, Int64) = ("", 0)
        while let (field, value) = try reader.next() {
            if field == 1 { result.0 = try reader.text(value) }
            if field == 2 { result.1 = try reader.integer(value) }
        }
        return result
    }

    private static func entry(_ message: ProtobufReader) throws(ModelFileFault) -> (key: String, value: String) {
        var reader = message
        var result = ("", "")
        while let (field, value) = try reader.next() {
            if field == 1 { result.0 = try reader.text(value) }
            if field == 2 { result.1 = try reader.text(value) }
        }
        return result
    }

    private mutating func graph(_ message: ProtobufReader) throws(ModelFileFault) {
        var reader = message
        while let (field, value) = try reader.next() {
            switch field {
            case 2: graphName = try reader.text(value)
            case 1: nodes.append(try OnnxFile.node(try reader.message(value)))
            case 5:
                let tensor = try OnnxFile.tensor(try reader.message(value))
                initializers[tensor.name] = tensor
            case 11: inputs.append(try OnnxFile.port(try reader.message(value)))
            case 12: outputs.append(try OnnxFile.port(try reader.message(value)))
            default: break
            }
        }
    }

    private static func node(_ message: ProtobufReader) throws(ModelFileFault) -> Node {
        var reader = message
        var node = Node()
        while let (field, value) = try reader.next() {
            switch field {
            case 1: node.inputs.append(try reader.text(value))
            case 2: node.outputs.append(try reader.text(value))
            case 4: node.operation = try reader.text(value)
            case 5:
                let (name, attribute) = try OnnxFile.attribute(try reader.message(value))
                node.attributes[name] = attribute
            case 7: node.domain = try reader.text(value)
            default: break
            }
        }
        return node
    }

    private static func attribute(_ message: ProtobufReader) throws(ModelFileFault) -> (String, Attribute) {
        var reader = message
        var name = ""
        var attribute = Attribute()
        while let (field, value) = try reader.next() {
            switch field {
            case 1: name = try reader.text(value)
            case 2, 7: try reader.append(floats: value, to: &attribute.floats)
            case 3, 8: try reader.append(integers: value, to: &attribute.integers)
            case 4, 9: attribute.strings.append(try reader.text(value))
            case 5:
                let limit = name.hasSuffix("_as_tensor") ? 1 << 28 : 1 << 12
                attribute.tensor = try tensor(try reader.message(value), limit: limit)
            default: break
            }
        }
        return (name, attribute)
    }

    private static func tensor(_ message: ProtobufReader, limit: Int = 1 << 12) throws(ModelFileFault) -> Tensor {
        var reader = message
        var tensor = Tensor()
        var type: Int64 = 0
        var floats: [Float] = []
        var doubles: [Double] = []
        var raw: ProtobufReader.Value?
        var isElsewhere = false
        while let (field, value) = try reader.next() {
            switch field {
            case 1: try reader.append(integers: value, to: &tensor.dimensions)
            case 2: type = try reader.integer(value)
            case 4:
                if isWithin(limit, value) { try reader.append(floats: value, to: &floats) } else { isElsewhere = true }
            case 8: tensor.name = try reader.text(value)
            case 9: if isWithin(limit, value) { raw = value } else { isElsewhere = true }
            case 10:
                if isWithin(limit, value) {
                    try reader.append(doubles: value, to: &doubles)
                } else {
                    isElsewhere = true
                }
            case 14: if try reader.integer(value) != 0 { isElsewhere = true }
            default: break
            }
        }
        guard !isElsewhere else { return tensor }
        switch type {
        case 1:
            if let raw { try reader.append(floats: raw, to: &floats) }
            tensor.values = floats.map { Double($0) }
        case 11:
            if let raw { try reader.append(doubles: raw, to: &doubles) }
            tensor.values = doubles
        default: break
        }
        return tensor
    }

    /// The weights of a network are left where they are; of a tree's own tensors none is too large.
    private static func isWithin(_ limit: Int, _ value: ProtobufReader.Value) -> Bool {
        if case .bytes(let range) = value { range.count <= limit } else { true }
    }

    private static func port(_ message: ProtobufReader) throws(ModelFileFault) -> Port {
        var reader = message
        var port = Port()
        while let (field, value) = try reader.next() {
            switch field {
            case 1: port.name = try reader.text(value)
            case 2:
                var type = try reader.message(value)
                while let (kind, value) = try type.next() {
                    if kind == 1 { try tensorType(try type.message(value), &port) }
                }
            default: break
            }
        }
        return port
    }

    private static func tensorType(_ message: ProtobufReader, _ port: inout Port) throws(ModelFileFault) {
        var reader = message
        while let (field, value) = try reader.next() {
            switch field {
            case 1: port.element = Int32(truncatingIfNeeded: try reader.integer(value))
            case 2:
                var shape = try reader.message(value)
                while let (kind, value) = try shape.next() {
                    guard kind == 1 else { continue }
                    var dimension = try shape.message(value)
                    var size: Int64 = -1
                    while let (field, value) = try dimension.next() {
                        if field == 1 { size = try dimension.integer(value) }
                    }
                    port.dimensions.append(size > 0 ? size : -1)
                }
            default: break
            }
        }
    }
}
