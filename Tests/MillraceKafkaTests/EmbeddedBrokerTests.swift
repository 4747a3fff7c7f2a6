import Foundation
import MillraceCore
import Testing

@testable import MillraceKafka

@Suite struct EmbeddedBrokerTests {
    @Test func theWordEmbeddedMeansTheSharedBroker() throws {
        let broker = try EmbeddedBroker.shared()
        let properties = try KafkaProperties(options: ["properties.bootstrap.servers": "embedded"], table: "t")
        #expect(properties.bootstrap == broker.bootstrapServers)
        #expect(properties.isEmbedded)
        #expect(!EmbeddedBroker.owns("127.0.0.1:9092"))
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/kcat"), "kcat is not installed"))
    func otherClientsReachIt() throws {
        let broker = try EmbeddedBroker(topics: [("t", 1)])
        try broker.produce(topic: "t", key: text("k"), value: text("hello"))
        #expect(broker.flush())
        let kcat = Process()
        kcat.executableURL = URL(fileURLWithPath: "/usr/bin/kcat")
        kcat.arguments = ["-b", broker.bootstrapServers, "-C", "-t", "t", "-e", "-q", "-f", "%k=%s"]
        let output = Pipe()
        kcat.standardOutput = output
        try kcat.run()
        #expect(String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) == "k=hello")
        kcat.waitUntilExit()
    }
}
