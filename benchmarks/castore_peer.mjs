// castore (npm) beside which benchmarks/dynamodb.py measures a decision: load a stream, decide, append.
// Reads one JSON request a line, answers one JSON line each. Run from the folder that holds its node_modules.
import { createRequire } from "node:module";
import { performance } from "node:perf_hooks";
import readline from "node:readline";

const require = createRequire(`${process.cwd()}/`);
const { CreateTableCommand, DynamoDBClient } = require("@aws-sdk/client-dynamodb");
const { EventStore, EventType } = require("@castore/core");
const { DynamoDBSingleTableEventStorageAdapter } = require("@castore/event-storage-adapter-dynamodb");

const [endpoint, tableName] = process.argv.slice(2);
const client = new DynamoDBClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
});
const costs = { requests: 0, wcu: 0, rcu: 0 };
let counting = false;
client.middlewareStack.add(
  (next, context) => async (args) => {
    if (!counting) return next(args);
    args.input.ReturnConsumedCapacity = "TOTAL";
    const result = await next(args);
    const consumed = [result.output.ConsumedCapacity ?? []].flat();
    costs.requests += 1;
    costs[context.commandName === "QueryCommand" ? "rcu" : "wcu"] += consumed.reduce((sum, c) => sum + c.CapacityUnits, 0);
    return result;
  },
  { step: "initialize" },
);
const store = new EventStore({
  eventStoreId: "ASSETS",
  eventTypes: [new EventType({ type: "ASSET_SEEN_AGAIN" })],
  reducer: (state, event) => ({ ...state, version: event.version, paths: [...(state?.paths ?? []), event.payload.path] }),
  eventStorageAdapter: new DynamoDBSingleTableEventStorageAdapter({ tableName, dynamoDBClient: client }),
});
const seen = (aggregateId, version, payload) => ({ aggregateId, version, type: "ASSET_SEEN_AGAIN", payload });

async function decide(aggregateId, events, payload) {
  const { aggregate } = await store.getAggregate(aggregateId);
  const version = aggregate?.version ?? 0;
  if (events === 1) return store.pushEvent(seen(aggregateId, version + 1, payload));
  const group = Array.from({ length: events }, (_, i) => store.groupEvent(seen(aggregateId, version + 1 + i, payload)));
  return EventStore.pushEventGroup(...group);
}

const operations = {
  async create() {
    await client.send(
      new CreateTableCommand({
        TableName: tableName,
        BillingMode: "PAY_PER_REQUEST",
        KeySchema: [{ AttributeName: "aggregateId", KeyType: "HASH" }, { AttributeName: "version", KeyType: "RANGE" }],
        AttributeDefinitions: [
          { AttributeName: "aggregateId", AttributeType: "S" },
          { AttributeName: "version", AttributeType: "N" },
          { AttributeName: "eventStoreId", AttributeType: "S" },
          { AttributeName: "timestamp", AttributeType: "S" },
        ],
        GlobalSecondaryIndexes: [
          {
            IndexName: "initialEvents",
            KeySchema: [{ AttributeName: "eventStoreId", KeyType: "HASH" }, { AttributeName: "timestamp", KeyType: "RANGE" }],
            Projection: { ProjectionType: "KEYS_ONLY" },
          },
        ],
        StreamSpecification: { StreamEnabled: true, StreamViewType: "NEW_IMAGE" },
      }),
    );
    return {};
  },
  async fill({ streams, length, payload }) {
    for (const stream of streams)
      for (let version = 1; version <= length; version += 1) await store.pushEvent(seen(stream, version, payload));
    return {};
  },
  async decide({ streams, events, payload }) {
    const times_ms = [];
    for (const stream of streams) {
      const start = performance.now();
      await decide(stream, events, payload);
      times_ms.push(performance.now() - start);
    }
    return { times_ms };
  },
  async cost({ stream, events, payload }) {
    Object.assign(costs, { requests: 0, wcu: 0, rcu: 0 });
    counting = true;
    await decide(stream, events, payload);
    counting = false;
    return { ...costs };
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { op, ...request } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await operations[op](request))}\n`);
}
