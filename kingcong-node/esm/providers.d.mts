export * from '../dist/providers.js';
